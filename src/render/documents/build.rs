//! A decoded document → an object.

use super::command::Handlers;
use super::{Document, schema};
use crate::model::host::{Attributes, CHECK, FileSpec, HostSpec, UNIT};
use crate::model::{Name, ObjectId};
use crate::render::RenderError;
use crate::render::error::Mistakes;
use crate::render::identity;
use crate::render::merge::Declared;
use crate::render::secret::Content;
use crate::yaml::{Node, Value, quoted};

impl Document<'_> {
    pub(super) fn id(&self, kind: &str, name: &str, mistakes: &mut Mistakes) -> Option<ObjectId> {
        let place = self.place_at("/metadata/name");
        if kind == "Check" {
            if name.parse::<Name>().is_ok() {
                return Some(ObjectId::new(CHECK, name));
            }
            let message =
                format!("expected a name of 1 to 63 characters out of a-z, 0-9 and '-', found {}", quoted(name));
            mistakes.add(&place, &message, None);
            return None;
        }
        if kind == "Unit" {
            return self.unit_name(name, &place, mistakes).then(|| ObjectId::new(UNIT, name));
        }
        match identity::path(name) {
            Ok(id) => Some(id),
            Err(wrong) => {
                mistakes.add(&place, &format!("the path {} {wrong}", quoted(name)), None);
                None
            }
        }
    }

    pub(super) fn object(&self, kind: &str, mistakes: &mut Mistakes) -> Result<Option<Declared>, RenderError> {
        let nothing = Node { value: Value::Mapping(vec![]), line: self.node.line, column: self.node.column };
        let spec = self.node.get("spec").filter(|spec| spec.value != Value::Null).unwrap_or(&nothing);
        Ok(match kind {
            "File" => match self.decode(spec, mistakes) {
                Some(file) => self.file(file, mistakes)?,
                None => None,
            },
            "Directory" => self.decode(spec, mistakes).map(|directory| self.directory(directory, mistakes)),
            "Symlink" => self.decode(spec, mistakes).and_then(|link| self.symlink(link, mistakes)),
            "Unit" => self.decode(spec, mistakes).and_then(|unit| self.unit(unit, mistakes)),
            _ => self.decode(spec, mistakes).and_then(|check: schema::Check| {
                let command = self.command(check.command, check.timeout, "command", mistakes)?;
                Some(self.declared(HostSpec::Check(command), Handlers::default()))
            }),
        })
    }

    fn file(&self, file: schema::File, mistakes: &mut Mistakes) -> Result<Option<Declared>, RenderError> {
        let mut file = file;
        let content = self.content(file.source.as_deref(), file.content.take(), mistakes)?;
        let handlers = self.handlers(std::mem::take(&mut file.on_change), mistakes);
        // An empty list says nothing, and so is no validator.
        let validate = std::mem::take(&mut file.validate);
        let validate = if validate.is_empty() { None } else { self.command(validate, None, "validate", mistakes) };
        let Some(Content { origin, blob, secret, default_mode }) = content else { return Ok(None) };
        if secret.is_some() {
            self.may_be_secret(&file, mistakes);
        }
        let attributes = Attributes {
            // What others could read before is not left open to them.
            mode: file.mode.as_ref().map(|mode| mode.0).or(secret.map(|_| default_mode)),
            owner: file.owner.map(|owner| owner.0),
            group: file.group.map(|group| group.0),
            default_mode,
            calls: handlers.calls.clone(),
        };
        let spec = FileSpec { content: blob.digest, size: blob.size, attributes, validate, show: file.show, secret };
        let declared = self.declared(HostSpec::File(spec), handlers);
        Ok(Some(Declared { content: Some(origin), ..declared }))
    }

    fn content(
        &self,
        source: Option<&str>,
        content: Option<String>,
        mistakes: &mut Mistakes,
    ) -> Result<Option<Content>, RenderError> {
        match (source, content) {
            (Some(source), None) => {
                let Some(entry) = self.source(source, mistakes)? else { return Ok(None) };
                self.files.content(source, entry, &self.place_at("/spec/source"), mistakes)
            }
            (None, Some(text)) => {
                let secret = self.secret.then(|| self.files.keys().mark(text.as_bytes()));
                Ok(Some(Content::inline(text.into_bytes(), secret)))
            }
            (given, _) => {
                let found = if given.is_some() { "both" } else { "neither" };
                let hint =
                    "`source` names a file of this layer, `content` holds the text; an empty file is `content: \"\"`";
                let message = format!("expected exactly one of `source` and `content`, found {found}");
                mistakes.add(&self.place_of(self.node.get("spec")), &message, Some(hint));
                Ok(None)
            }
        }
    }

    /// Adds a mistake where a document would show what is secret.
    fn may_be_secret(&self, file: &schema::File, mistakes: &mut Mistakes) {
        if file.show {
            let hint = "leave out `show`: what is encrypted in Git is shown nowhere";
            mistakes.add(&self.place_at("/spec/show"), "the content of this file is secret", Some(hint));
        }
        if file.mode.as_ref().is_some_and(|mode| mode.0 & 0o007 != 0) {
            let hint = "name the group that may read it: `mode: \"0640\"` and `group`";
            mistakes.add(
                &self.place_at("/spec/mode"),
                "the content of this file is secret, and not for everyone",
                Some(hint),
            );
        }
    }

    fn directory(&self, directory: schema::Directory, mistakes: &mut Mistakes) -> Declared {
        let handlers = self.handlers(directory.on_change, mistakes);
        let attributes = Attributes {
            mode: directory.mode.map(|mode| mode.0),
            owner: directory.owner.map(|owner| owner.0),
            group: directory.group.map(|group| group.0),
            default_mode: 0o755,
            calls: handlers.calls.clone(),
        };
        self.declared(HostSpec::Directory(attributes), handlers)
    }

    fn symlink(&self, link: schema::Symlink, mistakes: &mut Mistakes) -> Option<Declared> {
        let handlers = self.handlers(link.on_change, mistakes);
        let to = link.to;
        if to.is_empty() || to.len() > 4095 || to.chars().any(char::is_control) {
            let message =
                format!("expected a path of 1 to 4095 bytes without control characters, found {}", quoted(&to));
            mistakes.add(&self.place_at("/spec/to"), &message, None);
            return None;
        }
        Some(self.declared(HostSpec::Symlink { to, calls: handlers.calls.clone() }, handlers))
    }

    pub(super) fn declared(&self, spec: HostSpec, handlers: Handlers) -> Declared {
        let Handlers { commands, signals, .. } = handlers;
        Declared { handlers: commands, signals, ..Declared::new(spec, self.place()) }
    }
}
