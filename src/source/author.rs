use gix::bstr::ByteSlice;
use gix::objs::CommitRefIter;
use gix::objs::commit::ref_iter::Token;

use super::Commit;
use crate::model::Time;

/// Reads what a commit says of itself. Text that is not UTF-8 and times that make no sense are no mistake: nothing depends on
/// them.
pub(super) fn read(commit: CommitRefIter<'_>) -> Commit {
    let mut told = Commit { author: String::new(), email: String::new(), time: None, subject: String::new() };
    for token in commit.flatten() {
        match token {
            Token::Author { signature } => {
                told.author = signature.name.to_str_lossy().trim().into();
                told.email = signature.email.to_str_lossy().trim().into();
                let seconds = signature.time.split(' ').next().and_then(|text| text.parse::<i64>().ok());
                told.time =
                    seconds.filter(|seconds| (0..=253_402_300_799).contains(seconds)).map(|s| Time(s * 1_000_000));
            }
            Token::Message(text) => {
                told.subject = text.lines().next().unwrap_or_default().to_str_lossy().trim().into();
            }
            _ => {}
        }
    }
    told
}
