//! The little of regular expressions that the schemas of this program use: literals, classes, groups, alternatives,
//! repetition and anchors. A schema may say more than this understands; then serde alone decides.

mod parse;

/// Returns whether `text` matches `pattern`, or `None` where the pattern is beyond what is understood here, or too dear.
pub(super) fn matches(pattern: &str, text: &str) -> Option<bool> {
    let alternatives = parse::parse(pattern)?;
    let text: Vec<char> = text.chars().collect();
    let mut run = Run { text: &text, steps: 0 };
    let found = (0..=text.len()).any(|start| run.any(&alternatives, start, &mut |_, _| true));
    (run.steps < MAX_STEPS).then_some(found)
}

const MAX_STEPS: usize = 100_000;

enum Piece {
    Char(Vec<(char, char)>, bool),
    Group(Vec<Vec<Piece>>),
    Repeat(Box<Piece>, usize, usize),
    Start,
    End,
}

type Then<'t> = &'t mut dyn FnMut(&mut Run, usize) -> bool;

struct Run<'a> {
    text: &'a [char],
    steps: usize,
}

impl Run<'_> {
    fn any(&mut self, alternatives: &[Vec<Piece>], at: usize, then: Then) -> bool {
        alternatives.iter().any(|pieces| self.all(pieces, at, then))
    }

    fn all(&mut self, pieces: &[Piece], at: usize, then: Then) -> bool {
        match pieces.split_first() {
            None => then(self, at),
            Some((first, rest)) => self.one(first, at, &mut |run, at| run.all(rest, at, then)),
        }
    }

    fn one(&mut self, piece: &Piece, at: usize, then: Then) -> bool {
        self.steps += 1;
        if self.steps >= MAX_STEPS {
            return false;
        }
        match piece {
            Piece::Start => at == 0 && then(self, at),
            Piece::End => at == self.text.len() && then(self, at),
            Piece::Group(alternatives) => self.any(alternatives, at, then),
            Piece::Repeat(piece, min, max) => self.repeat(piece, (*min, *max), at, then),
            Piece::Char(ranges, negated) => {
                let fits = |char: &char| ranges.iter().any(|(low, high)| low <= char && char <= high) != *negated;
                self.text.get(at).is_some_and(fits) && then(self, at + 1)
            }
        }
    }

    fn repeat(&mut self, piece: &Piece, (min, max): (usize, usize), at: usize, then: Then) -> bool {
        // A class repeated needs no recursion per character, so a long text cannot exhaust the stack.
        if let Piece::Char(..) = piece {
            let mut ends = vec![at];
            while ends.len() <= max && self.one(piece, ends[ends.len() - 1], &mut |_, _| true) {
                ends.push(ends[ends.len() - 1] + 1);
            }
            return ends.into_iter().skip(min).rev().any(|end| then(self, end));
        }
        let more = max > 0
            && self.one(piece, at, &mut |run, next| {
                next > at && run.repeat(piece, (min.saturating_sub(1), max - 1), next, then)
            });
        more || (min == 0 && then(self, at))
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn the_patterns_of_our_schemas_are_understood() {
        let name = crate::model::Name::PATTERN;
        assert_eq!(matches(name, "web-1"), Some(true));
        assert_eq!(matches(name, "-web"), Some(false));
        assert_eq!(matches(name, &"x".repeat(64)), Some(false));
        let span = "^[0-9]+(ms|s|m|h|d)$";
        assert_eq!(matches(span, "500ms"), Some(true));
        assert_eq!(matches(span, "5 minutes"), Some(false));
        assert_eq!(matches("^0?[0-7]{3,4}$", "0644"), Some(true));
        assert_eq!(matches("^(a|bc)*x?$", "abcbcax"), Some(true));
        assert_eq!(matches("^/", "etc"), Some(false));
    }

    #[test]
    fn what_is_not_understood_or_too_dear_is_left_to_serde() {
        assert_eq!(matches(r"\p{L}+", "x"), None);
        assert_eq!(matches("(?=a)", "a"), None);
        assert_eq!(matches("^(a|a)*(a|a)*(a|a)*$", &format!("{}b", "a".repeat(200))), None);
    }
}
