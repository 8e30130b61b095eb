use super::*;

/// The example of <https://c2sp.org/tlog-checkpoint>, whose key is not given there.
const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
     \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

/// The keys and the note of the tests of Go's `sumdb/note`: made by another hand than ours.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PETER_SAYS: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
     \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

/// The example of <https://c2sp.org/signed-note>.
const FOO_SAYS: &str = "This is an example message.\n\n\
     \u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name, [seed; 32]).unwrap()
}

#[test]
fn what_other_implementations_wrote_is_read_verified_and_written_the_same() {
    let note = Note::parse(EXAMPLE).unwrap();
    assert_eq!(note.to_string(), EXAMPLE);
    assert_eq!(note.text().lines().nth(1), Some("20852163"));
    let foo: VerifyKey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".parse().unwrap();
    assert_eq!(Note::parse(FOO_SAYS).unwrap().verify([&foo]), Ok(vec![&foo]));
    let peter: VerifyKey = PETER.parse().unwrap();
    assert_eq!(peter.to_string(), PETER);
    let secret = SigningKey::read(PETER_SECRET).unwrap();
    assert_eq!((secret.public(), secret.secret()), (&peter, format!("{PETER_SECRET}\n")));
    let note = Note::parse(PETER_SAYS).unwrap();
    assert_eq!(note.verify([&peter]), Ok(vec![&peter]));
    assert_eq!(Note::sign(note.text().into(), &[&secret]).to_string(), PETER_SAYS, "Ed25519 knows one signature");
}

#[test]
fn a_key_with_any_byte_changed_or_left_out_is_none() {
    for (good, reads) in [
        (PETER, (|text| text.parse::<VerifyKey>().is_ok()) as fn(&str) -> bool),
        (PETER_SECRET, |text| SigningKey::read(text).is_ok()),
    ] {
        assert!(reads(good));
        for at in 0..good.len() {
            assert!(!reads(&good[..at]) && (at == 0 || !reads(&good[at..])), "cut at {at}");
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] += 1;
            assert!(!reads(std::str::from_utf8(&bytes).unwrap()), "byte {at}");
        }
    }
    // Another length and another algorithm, each with the id that would fit.
    assert!("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==".parse::<VerifyKey>().is_err());
    assert!("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse::<VerifyKey>().is_err());
}

#[test]
fn a_note_is_believed_for_keys_that_are_known_alone() {
    let (one, other) = (key("log", 1), key("log", 2));
    let note = Note::sign("text\n".into(), &[&one]);
    assert_eq!(Note::parse(&note.to_string()), Ok(note.clone()));
    assert_eq!(note.verify([other.public()]), Err(NoteError::Unknown));
    assert_eq!(note.verify([]), Err(NoteError::Unknown));
    assert_eq!(note.verify([other.public(), one.public()]), Ok(vec![one.public()]));
    let both = Note::sign("text\n".into(), &[&one, &other, &other]);
    assert_eq!(both.verify([one.public(), other.public()]), Ok(vec![one.public(), other.public()]));
    // The same name and id over another text: the whole note goes, whoever else signed it.
    let forged = both.to_string().replace("text", "next");
    assert_eq!(Note::parse(&forged).unwrap().verify([other.public()]), Err(NoteError::Forged("log".into())));
}

#[test]
fn what_is_no_note_is_refused() {
    let good = Note::sign("a\nb\n".into(), &[&key("log", 1)]).to_string();
    assert!(Note::parse(&good).is_ok());
    for bad in [
        String::new(),
        "a\nb\n".into(),
        good.trim_end().into(),
        good.replace("\n\n", "\n"),
        good.replace('\u{2014}', "-"),
        good.replace(" log ", " lo+g "),
        good.replace(" log ", "  "),
        good.replace("a\n", "a\r\n"),
        good.replace("a\n", "a\0\n"),
        format!("{good}x\n"),
        format!("{good}\n"),
        good.replace("=\n", "\n"),
        format!("a\n\n{}", "\u{2014} log AAAAAAAA\n".repeat(MOST_SIGNATURES + 1)),
        "a\n\n\u{2014} log AAA=\n".into(),
    ] {
        assert!(matches!(Note::parse(&bad), Err(NoteError::Malformed(_))), "{bad:?}");
    }
}

#[test]
fn many_notes_are_read_one_by_one_and_a_torn_one_spoils_no_other() {
    let key = key("log", 1);
    let note = |text: &str| Note::sign(text.into(), &[&key]);
    let (one, two) = (note("one\n"), note("two\nlines\n"));
    assert_eq!(notes(""), []);
    assert_eq!(notes(&one.to_string()), [Ok(one.clone())]);
    for between in ["\n", "\n\n\n"] {
        assert_eq!(notes(&format!("{one}{between}{two}{between}")), [Ok(one.clone()), Ok(two.clone())]);
    }
    let whole = two.to_string();
    for at in (1..whole.len()).filter(|at| whole.is_char_boundary(*at)) {
        let found = notes(&format!("{one}\n{}\n\n{one}", &whole[..at]));
        let whole = found.iter().flatten().filter(|found| found.verify([key.public()]).is_ok());
        let (ones, others): (Vec<_>, Vec<_>) = whole.partition(|found| **found == one);
        assert!(ones.len() == 2 && others.iter().all(|other| **other == two), "torn at {at}: {found:?}");
    }
}
