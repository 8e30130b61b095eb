//! Every path that a file names, in full: `use` groups spread out, `crate`, `self` and `super` worked out.

use crate::tokens::{Token, What, tokens};

/// One path as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    /// Its segments; `*` for a glob. From the crate root where `inside` is set, else as written.
    pub(crate) segments: Vec<String>,
    pub(crate) inside: bool,
    pub(crate) renamed: bool,
}

/// Returns the paths named in `tokens`, a part of the module `module`.
///
/// # Errors
/// A path from the crate root that cannot be followed to its room.
pub(crate) fn paths(tokens: &[Token], module: &[String]) -> Result<Vec<Named>, String> {
    let mut reader = Reader { tokens, at: 0, modules: vec![(module.to_vec(), 0)], depth: 0, found: Vec::new() };
    reader.file()?;
    Ok(reader.found)
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    /// The modules that we are in, each with the depth of brackets at which it ends.
    modules: Vec<(Vec<String>, usize)>,
    depth: usize,
    found: Vec<Named>,
}

impl Reader<'_> {
    fn file(&mut self) -> Result<(), String> {
        while self.at < self.tokens.len() {
            match &self.tokens[self.at].what {
                What::Mark("#") if self.mark(1, "[") || (self.mark(1, "!") && self.mark(2, "[")) => self.attribute()?,
                What::Mark("{") => self.depth += 1,
                What::Mark("}") => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.modules.last().is_some_and(|(_, ends)| *ends > self.depth) {
                        self.modules.pop();
                    }
                }
                What::Word(word) if word == "mod" => self.inline_module(),
                What::Word(_) if self.starts_path() => {
                    self.tree(None)?;
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Attributes name paths in strings: `#[serde(default = "crate::room::value")]`. Prose does not count.
    fn attribute(&mut self) -> Result<(), String> {
        let line = self.tokens[self.at].line;
        let mut depth = 0_usize;
        let attribute: Vec<&Token> = self.tokens[self.at + 1..]
            .iter()
            .skip_while(|token| token.what == What::Mark("!"))
            .take_while(|token| {
                match token.what {
                    What::Mark("[") => depth += 1,
                    What::Mark("]") => depth -= 1,
                    _ => {}
                }
                depth > 0
            })
            .collect();
        let name = attribute.get(1).map(|token| token.what.clone());
        if name == Some(What::Word("doc".into())) || name == Some(What::Word("error".into())) {
            return Ok(());
        }
        for token in attribute {
            if let What::Text(text) = &token.what
                && text.contains("::")
                && let Ok(inner) = tokens(text)
            {
                let module = self.module();
                let named = paths(&inner, &module)?;
                self.found.extend(named.into_iter().map(|named| Named { line, ..named }));
            }
        }
        Ok(())
    }

    fn inline_module(&mut self) {
        if let Some(name) = self.word(1).map(str::to_owned)
            && self.mark(2, "{")
        {
            let mut module = self.module();
            module.push(name);
            self.modules.push((module, self.depth + 1));
        }
    }

    fn starts_path(&self) -> bool {
        let before = self.at.checked_sub(1).map(|at| &self.tokens[at].what);
        if matches!(before, Some(What::Mark("::" | "."))) {
            // `::name` is another crate, `.name` a field.
            return false;
        }
        let renamed = before == Some(&What::Word("use".into())) && self.word(1) == Some("as");
        renamed || self.mark(1, "::") || matches!(self.word(0), Some("crate" | "super"))
    }

    /// Reads one path, or a group of them, from `at` on; `prefix` is what stands before it.
    fn tree(&mut self, prefix: Option<&Named>) -> Result<(), String> {
        let line = self.tokens[self.at].line;
        let mut path = prefix.cloned().unwrap_or(Named { line, segments: vec![], inside: false, renamed: false });
        path.line = line;
        let mut first = prefix.is_none();
        let start = self.at;
        loop {
            match self.tokens.get(self.at).map(|token| &token.what) {
                Some(What::Word(word)) => self.segment(&word.clone(), &mut path, first)?,
                Some(What::Mark("*")) => path.segments.push("*".into()),
                Some(What::Mark("{")) if !first => return self.group(&path),
                // A turbofish, or a macro's own name for a path.
                _ if path.inside && path.segments.is_empty() => {
                    return Err(format!("line {line}: a path from the crate root cannot be followed"));
                }
                _ => break,
            }
            first = false;
            self.at += 1;
            if !self.mark(0, "::") {
                break;
            }
            self.at += 1;
        }
        path.renamed = self.word(0) == Some("as");
        if path.inside && path.segments.is_empty() && !self.names_no_room(start, path.renamed) {
            return Err(format!("line {line}: the crate root is named without a room"));
        }
        self.found.push(path);
        Ok(())
    }

    fn segment(&self, word: &str, path: &mut Named, first: bool) -> Result<(), String> {
        match word {
            "crate" if first => path.inside = true,
            "self" | "super" if first => {
                path.inside = true;
                path.segments = self.module();
                if word == "super" {
                    climb(path)?;
                }
            }
            "super" => climb(path)?,
            "self" => {}
            _ => path.segments.push(word.to_owned()),
        }
        Ok(())
    }

    fn group(&mut self, prefix: &Named) -> Result<(), String> {
        self.at += 1;
        while !self.mark(0, "}") {
            if self.at >= self.tokens.len() {
                return Err(format!("line {}: a group of paths does not end", prefix.line));
            }
            if self.mark(0, ",") {
                self.at += 1;
                continue;
            }
            let before = self.at;
            self.tree(Some(prefix))?;
            if self.word(0) == Some("as") {
                self.at += 2;
            }
            if self.at == before {
                return Err(format!("line {}: a group of paths cannot be read", prefix.line));
            }
        }
        self.at += 1;
        Ok(())
    }

    /// `pub(crate)`, `pub(in super::super)` and `#[serde(crate = …)]` name the root, and give nothing of it.
    fn names_no_room(&self, start: usize, renamed: bool) -> bool {
        let before = |back: usize| start.checked_sub(back).map(|at| &self.tokens[at].what);
        let visibility = before(1) == Some(&What::Mark("(")) && before(2) == Some(&What::Word("pub".into()))
            || before(1) == Some(&What::Word("in".into())) && before(2) == Some(&What::Mark("("));
        !renamed && ((visibility && self.mark(0, ")")) || self.mark(0, "="))
    }

    fn module(&self) -> Vec<String> {
        self.modules.last().map(|(module, _)| module.clone()).unwrap_or_default()
    }

    fn word(&self, ahead: usize) -> Option<&str> {
        match self.tokens.get(self.at + ahead).map(|token| &token.what) {
            Some(What::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn mark(&self, ahead: usize, mark: &str) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| matches!(token.what, What::Mark(m) if m == mark))
    }
}

fn climb(path: &mut Named) -> Result<(), String> {
    let line = path.line;
    path.segments.pop().map(|_| ()).ok_or_else(|| format!("line {line}: super climbs out of the crate"))
}
