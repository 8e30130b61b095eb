/// Whether a whole name is one that `pattern` stands for: `*` is any run of characters, none included. Goes back to the last `*`
/// only, so that no pattern costs more than length times length.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    // Where to go on when the rest does not match: behind the last `*`, one more byte taken by it.
    let (mut at, mut seen, mut back) = (0, 0, None);
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                back = Some((at + 1, seen));
                at += 1;
            }
            Some(byte) if *byte == name[seen] => (at, seen) = (at + 1, seen + 1),
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
    use super::*;

    #[test]
    fn a_star_is_any_part_of_a_name_and_patterns_match_whole_names() {
        for (pattern, name, same) in [
            ("a*b", "ab", true),
            ("a*b", "axxb", true),
            ("a*b", "axxbc", false),
            ("a*b", "a", false),
            ("*b", "bc", false),
            ("*", "", true),
            ("*", "x", true),
            ("a*b*c", "abbc", true),
            ("a*b*c", "a1b2bc", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a", "a*", false),
            ("", "a", false),
            ("a*", "a", true),
            ("a-*", "*-b", false),
            ("app-*.service", "app-a.service", true),
            ("app-*.service", "app-a.timer", false),
        ] {
            assert_eq!(matches(pattern, name), same, "{pattern} {name}");
        }
    }
}
