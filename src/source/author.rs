use gix::bstr::{BStr, ByteSlice};
use gix::objs::CommitRefIter;
use gix::objs::commit::ref_iter::Token;

use super::Commit;
use crate::model::{Revision, Time};

/// Nobody writes more than so many bytes for people to read.
const LONGEST_MESSAGE: usize = 16 * 1024;

/// Reads what a commit says of itself. Text that is not UTF-8 and times that make no sense are no mistake: nothing depends on
/// them.
pub(super) fn read(revision: Revision, commit: CommitRefIter<'_>) -> Commit {
    let mut told = Commit {
        revision,
        author: String::new(),
        email: String::new(),
        committer: String::new(),
        committer_email: String::new(),
        time: None,
        message: String::new(),
        cut: false,
        signer: None,
    };
    let text = |text: &BStr| text.to_str_lossy().trim().to_owned();
    for token in commit.flatten() {
        match token {
            Token::Author { signature } => (told.author, told.email) = (text(signature.name), text(signature.email)),
            Token::Committer { signature } => {
                (told.committer, told.committer_email) = (text(signature.name), text(signature.email));
                let seconds = signature.time.split(' ').next().and_then(|text| text.parse::<i64>().ok());
                told.time =
                    seconds.filter(|seconds| (0..=253_402_300_799).contains(seconds)).map(|s| Time(s * 1_000_000));
            }
            Token::Message(message) => {
                told.cut = message.len() > LONGEST_MESSAGE;
                told.message = text(message[..message.len().min(LONGEST_MESSAGE)].into());
            }
            _ => {}
        }
    }
    told
}
