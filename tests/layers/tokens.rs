//! Rust source as tokens: enough to see every path in it, comments and plain strings left out.

/// One token and the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) what: What,
    pub(crate) line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Word(String),
    /// `::`, or one character of punctuation.
    Mark(&'static str),
    /// A string, with what is in it: attributes name paths in strings.
    Text(String),
    /// A number, a character or a lifetime.
    Other,
}

const MARKS: &str = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~\\";

/// Returns the tokens of a file.
///
/// # Errors
/// A string, comment or bracket that does not end, or a character that Rust does not know.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut lexer = Lexer { rest: text, line: 1, tokens: Vec::new() };
    while lexer.step()? {}
    balanced(&lexer.tokens)?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn step(&mut self) -> Result<bool, String> {
        let Some(first) = self.rest.chars().next() else { return Ok(false) };
        let line = self.line;
        if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else if self.rest.starts_with("//") {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.comment()?;
        } else if let Some((text, length)) = self.string()? {
            self.skip(length);
            self.tokens.push(Token { what: What::Text(text), line });
        } else if first == '\'' || self.rest.starts_with("b'") {
            let length = self.quote()?;
            self.skip(length);
            self.tokens.push(Token { what: What::Other, line });
        } else if first == '_' || first.is_alphanumeric() {
            self.word(first, line);
        } else {
            self.mark(first, line)?;
        }
        Ok(true)
    }

    fn skip(&mut self, bytes: usize) {
        let (over, rest) = self.rest.split_at(bytes);
        self.line += over.matches('\n').count();
        self.rest = rest;
    }

    fn comment(&mut self) -> Result<(), String> {
        let start = self.line;
        let mut depth = 0_usize;
        loop {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
                if depth == 0 {
                    return Ok(());
                }
            } else {
                let Some(next) = self.rest.chars().next() else {
                    return Err(format!("line {start}: a comment does not end"));
                };
                self.skip(next.len_utf8());
            }
        }
    }

    /// Returns the content of a string literal and its whole length, where one starts here.
    fn string(&self) -> Result<Option<(String, usize)>, String> {
        let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| {
            self.rest.strip_prefix(prefix).is_some_and(|after| {
                after.starts_with('"') || (prefix.ends_with('r') && after.trim_start_matches('#').starts_with('"'))
            })
        });
        let prefix = prefix.unwrap_or("");
        let body = &self.rest[prefix.len()..];
        let hashes = body.len() - body.trim_start_matches('#').len();
        if !body[hashes..].starts_with('"') || (hashes > 0 && !prefix.ends_with('r')) {
            return Ok(None);
        }
        let inside = &body[hashes + 1..];
        let unended = || format!("line {}: a string does not end", self.line);
        let end = if prefix.ends_with('r') {
            inside.find(&format!("\"{}", "#".repeat(hashes))).ok_or_else(unended)?
        } else {
            let mut escaped = false;
            let end = inside.char_indices().find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            end.ok_or_else(unended)?.0
        };
        Ok(Some((inside[..end].to_owned(), prefix.len() + hashes + 1 + end + 1 + hashes)))
    }

    /// Returns the length of a character or of a lifetime.
    fn quote(&self) -> Result<usize, String> {
        let start = self.rest.find('\'').unwrap_or(0) + 1;
        let after = &self.rest[start..];
        let mut chars = after.char_indices();
        let unread = || format!("line {}: a character cannot be read", self.line);
        let (_, first) = chars.next().ok_or_else(unread)?;
        if first == '\\' {
            chars.next();
            let end = chars.find(|(_, c)| *c == '\'').ok_or_else(unread)?;
            return Ok(start + end.0 + 1);
        }
        match chars.next() {
            Some((at, '\'')) => Ok(start + at + 1),
            _ if first == '_' || first.is_alphabetic() => {
                Ok(start + after.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(after.len()))
            }
            _ => Err(unread()),
        }
    }

    fn word(&mut self, first: char, line: usize) {
        let text = self.rest.strip_prefix("r#").unwrap_or(self.rest);
        let raw = self.rest.len() - text.len();
        let length = text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len());
        let what = if first.is_numeric() { What::Other } else { What::Word(text[..length].to_owned()) };
        self.skip(raw + length);
        self.tokens.push(Token { what, line });
    }

    fn mark(&mut self, first: char, line: usize) -> Result<(), String> {
        let mark = if self.rest.starts_with("::") {
            "::"
        } else {
            let at = MARKS.find(first).ok_or_else(|| format!("line {line}: {first:?} cannot be read"))?;
            &MARKS[at..=at]
        };
        self.skip(mark.len());
        self.tokens.push(Token { what: What::Mark(mark), line });
        Ok(())
    }
}

fn balanced(tokens: &[Token]) -> Result<(), String> {
    let mut open = Vec::new();
    for token in tokens {
        let What::Mark(mark) = token.what else { continue };
        match mark {
            "(" => open.push(")"),
            "[" => open.push("]"),
            "{" => open.push("}"),
            ")" | "]" | "}" if open.pop() != Some(mark) => {
                return Err(format!("line {}: {mark} closes what is not open", token.line));
            }
            _ => {}
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("{} is missing at the end", open.join(" "))) }
}
