/// Returns whether `pattern`, in which `*` stands for any run of characters, is fit by the whole of `text`. Goes back to the last
/// `*` only, so that no pattern costs more than length times length.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    // Where to go on when the rest does not match: behind the last `*`, one more byte taken by it.
    let (mut at, mut seen, mut back) = (0, 0, None);
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                back = Some((at + 1, seen));
                at += 1;
            }
            Some(byte) if *byte == text[seen] => (at, seen) = (at + 1, seen + 1),
            _ => match &mut back {
                Some((star, taken)) => {
                    *taken += 1;
                    (at, seen) = (*star, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_is_any_run_of_characters_and_all_else_itself() {
        for (pattern, text) in
            [("web-1", "web-1"), ("web-*", "web-"), ("*", ""), ("**", "x"), ("a*b*c", "a-b-b-c"), ("*é", "café")]
        {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("web-*", "wob-1"), ("", "x"), ("a*b", "a-b-c"), ("a?", "ab"), ("*a", "ab"), ("A", "a")]
        {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
        assert!(!fits(&"*a".repeat(200), &"a".repeat(199)), "and it comes to an end");
    }
}
