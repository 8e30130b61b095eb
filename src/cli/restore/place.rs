//! Where in Git an object belongs: the file that its document names, else the overlay.

use crate::cli::git::Git;
use crate::cli::trouble::Trouble;
use crate::model::host::Attributes;
use crate::model::view::{PreimageView, PreimagesView};
use crate::yaml::{self, Node, Profile};

/// What was found at a path of the host.
pub(super) enum Content {
    File {
        bytes: Vec<u8>,
        attributes: Attributes,
    },
    Link(String),
    /// Nothing: it was removed by hand.
    Gone,
}

/// An object with its place in the repository.
pub(super) struct Placed {
    /// On the host.
    pub path: String,
    /// In the repository.
    pub file: String,
    pub content: Content,
}

/// Returns where it belongs, or why nowhere.
pub(super) fn place(
    git: &Git,
    base: &str,
    view: &PreimagesView,
    one: &PreimageView,
    content: Content,
) -> Result<Result<Placed, String>, Trouble> {
    let path = one.id.name.to_string();
    let placed = |file: String, content| Ok(Ok(Placed { path: path.clone(), file, content }));
    let overlay = format!("root{path}");
    let file = one.place.as_ref().map(|place| place.file.to_string());
    let in_overlay = |file: &String| *file == overlay || file.ends_with(&format!("/{overlay}"));
    if let Some(file) = file.clone().filter(in_overlay) {
        return placed(file, content);
    }
    let document = match &file {
        Some(file) => document(git, base, file, &path)?,
        None => None,
    };
    let (Some(file), Some(document)) = (file, document) else {
        let Some(layer) = view.layers.last() else { return Ok(Err("its application has no path in Git".into())) };
        let layer = layer.trim_matches('/');
        return placed(if layer == "." { overlay } else { format!("{layer}/{overlay}") }, content);
    };
    match content {
        Content::Link(_) => {
            return Ok(Err(format!("it was a link, and {file} declares it otherwise: change the document")));
        }
        Content::Gone => return Ok(Err(format!("it was removed, and {file} declares it: take the document out"))),
        Content::File { .. } => {}
    }
    let Some(source) = document.at("/spec/source").and_then(Node::as_str) else {
        return Ok(Err(format!("{file} holds its content itself: change it there")));
    };
    let Some(source) = beside(&file, source) else {
        return Ok(Err(format!("{file} names a source outside of the repository")));
    };
    let listed = git.text(&["ls-tree", base, "--", &format!(":(top,literal){source}")])?;
    if listed.starts_with("100") {
        return placed(source, content);
    }
    Ok(Err(format!("the source in {file} is no plain file: change what it leads to")))
}

/// Returns the document in this file that declares the path; `None` where the commit has it no more.
fn document(git: &Git, base: &str, file: &str, path: &str) -> Result<Option<Node>, Trouble> {
    let object = format!("{base}:{file}");
    if !git.quiet(&["cat-file", "-e", &object])? {
        return Ok(None);
    }
    let text = git.fed(&["cat-file", "blob", &object], b"")?;
    let documents = yaml::parse(file, &text, Profile::Config).map_err(|mistakes| Trouble::mistakes(&mistakes))?;
    let declares = |node: &Node| node.at("/metadata/name").and_then(Node::as_str) == Some(path);
    Ok(documents.into_iter().find(declares))
}

/// Returns the path in the repository that a path relative to a document means.
fn beside(document: &str, source: &str) -> Option<String> {
    let mut path: Vec<&str> = document.split('/').collect();
    path.pop();
    for segment in source.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(path.pop()?),
            name => path.push(name),
        }
    }
    Some(path.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_relative_to_its_document() {
        assert_eq!(beside("web/conf/site.yaml", "../files/site.conf").as_deref(), Some("web/files/site.conf"));
        assert_eq!(beside("site.yaml", "./a").as_deref(), Some("a"));
        assert_eq!(beside("site.yaml", "../a"), None);
    }
}
