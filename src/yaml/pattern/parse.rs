use super::Piece;

/// Returns the alternatives of a pattern, or `None` where it holds what is not understood.
pub(super) fn parse(pattern: &str) -> Option<Vec<Vec<Piece>>> {
    let mut parser = Parser { rest: pattern.chars().collect(), at: 0 };
    let alternatives = parser.alternatives()?;
    (parser.at == parser.rest.len()).then_some(alternatives)
}

struct Parser {
    rest: Vec<char>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        self.at += 1;
        self.rest.get(self.at - 1).copied()
    }

    fn eat(&mut self, text: &str) -> bool {
        let eaten = text.chars().enumerate().all(|(i, char)| self.rest.get(self.at + i) == Some(&char));
        self.at += if eaten { text.chars().count() } else { 0 };
        eaten
    }

    fn alternatives(&mut self) -> Option<Vec<Vec<Piece>>> {
        let mut all = vec![Vec::new()];
        while let Some(char) = self.peek() {
            match char {
                ')' => break,
                '|' => {
                    self.at += 1;
                    all.push(Vec::new());
                }
                _ => {
                    let piece = self.piece()?;
                    let piece = self.repeated(piece)?;
                    all.last_mut()?.push(piece);
                }
            }
        }
        Some(all)
    }

    fn piece(&mut self) -> Option<Piece> {
        Some(match self.next()? {
            '^' => Piece::Start,
            '$' => Piece::End,
            '.' => Piece::Char(vec![('\n', '\n')], true),
            '[' => self.class()?,
            '(' => {
                if self.peek() == Some('?') && !self.eat("?:") {
                    return None;
                }
                let inner = self.alternatives()?;
                self.eat(")").then_some(Piece::Group(inner))?
            }
            '\\' => Piece::Char(self.escape()?, false),
            '*' | '+' | '?' | '{' | '}' | ']' => return None,
            char => Piece::Char(vec![(char, char)], false),
        })
    }

    fn escape(&mut self) -> Option<Vec<(char, char)>> {
        Some(match self.next()? {
            'd' => vec![('0', '9')],
            'w' => vec![('0', '9'), ('a', 'z'), ('A', 'Z'), ('_', '_')],
            's' => vec![(' ', ' '), ('\t', '\r')],
            'n' => vec![('\n', '\n')],
            't' => vec![('\t', '\t')],
            char if char.is_alphanumeric() => return None,
            char => vec![(char, char)],
        })
    }

    fn class(&mut self) -> Option<Piece> {
        let negated = self.eat("^");
        let mut ranges = Vec::new();
        loop {
            match self.next()? {
                ']' => return Some(Piece::Char(ranges, negated)),
                '\\' => ranges.extend(self.escape()?),
                low if self.peek() == Some('-') && self.rest.get(self.at + 1) != Some(&']') => {
                    self.at += 1;
                    ranges.push((low, self.next()?));
                }
                char => ranges.push((char, char)),
            }
        }
    }

    fn repeated(&mut self, piece: Piece) -> Option<Piece> {
        let (min, max) = match self.peek() {
            Some('*') => (0, usize::MAX),
            Some('+') => (1, usize::MAX),
            Some('?') => (0, 1),
            Some('{') => {
                let (min, max) = self.bounds()?;
                return Some(Piece::Repeat(Box::new(piece), min, max));
            }
            _ => return Some(piece),
        };
        self.at += 1;
        Some(Piece::Repeat(Box::new(piece), min, max))
    }

    fn bounds(&mut self) -> Option<(usize, usize)> {
        self.at += 1;
        let end = self.at + self.rest.get(self.at..)?.iter().position(|char| *char == '}')?;
        let text: String = self.rest.get(self.at..end)?.iter().collect();
        self.at = end + 1;
        let (min, max) = text.split_once(',').unwrap_or((&text, &text));
        let max = if max.is_empty() { usize::MAX } else { max.parse().ok()? };
        Some((min.parse().ok()?, max))
    }
}
