use super::Document;
use super::schema::OnChange;
use crate::config::Span;
use crate::model::host::{CommandSpec, Verb, signal};
use crate::model::unit::is_template;
use crate::model::{ObjectId, Place};
use crate::render::error::Mistakes;
use crate::render::identity;
use crate::yaml::quoted;

/// Bytes that the words of one command may have together.
const LONGEST: usize = 4096;
/// Seconds.
const CHECK_TIMEOUT: u32 = 60;
const LONGEST_TIMEOUT: u64 = 3600;

/// The handlers that one object calls.
#[derive(Default)]
pub(super) struct Handlers {
    /// Sorted, each once.
    pub(super) calls: Vec<ObjectId>,
    pub(super) commands: Vec<Vec<String>>,
    pub(super) signals: Vec<(Verb, String)>,
}

impl Document<'_> {
    /// Returns the handlers of `onChange`.
    pub(super) fn handlers(&self, entries: Vec<OnChange>, mistakes: &mut Mistakes) -> Handlers {
        let mut handlers = Handlers::default();
        for (number, entry) in entries.into_iter().enumerate() {
            let pointer = format!("/spec/onChange/{number}");
            let place = self.place_at(&pointer);
            match (entry.run, entry.reload, entry.restart) {
                (Some(command), None, None) => {
                    if self.program(&command, &self.place_at(&format!("{pointer}/run")), mistakes) {
                        handlers.calls.push(identity::handler(&command));
                        handlers.commands.push(command);
                    }
                }
                (None, Some(unit), None) => self.signal(Verb::Reload, unit, &pointer, &mut handlers, mistakes),
                (None, None, Some(unit)) => self.signal(Verb::Restart, unit, &pointer, &mut handlers, mistakes),
                _ => {
                    let hint = "run: [PROGRAM, ARGUMENT, …], reload: NAME.service, or restart: NAME.service";
                    mistakes.add(&place, "expected exactly one of `run`, `reload` and `restart`", Some(hint));
                }
            }
        }
        handlers.calls.sort();
        handlers.calls.dedup();
        handlers
    }

    /// Returns the command at `field` of the spec.
    pub(super) fn command(
        &self,
        command: Vec<String>,
        timeout: Option<Span>,
        field: &str,
        mistakes: &mut Mistakes,
    ) -> Option<CommandSpec> {
        let fine = self.program(&command, &self.place_at(&format!("/spec/{field}")), mistakes);
        let timeout = self.seconds(timeout, CHECK_TIMEOUT, mistakes)?;
        fine.then_some(CommandSpec { command, timeout })
    }

    fn signal(&self, verb: Verb, unit: String, pointer: &str, handlers: &mut Handlers, mistakes: &mut Mistakes) {
        let place = self.place_at(&format!("{pointer}/{}", verb.as_str()));
        if !self.unit_name(&unit, &place, mistakes) {
            return;
        }
        if is_template(&unit) {
            let message = format!("{} is a template: there is nothing to {}", quoted(&unit), verb.as_str());
            mistakes.add(&place, &message, Some("name an instance, such as NAME@INSTANCE.service"));
            return;
        }
        handlers.calls.push(signal(verb, &unit));
        handlers.signals.push((verb, unit));
    }

    pub(super) fn seconds(&self, timeout: Option<Span>, default: u32, mistakes: &mut Mistakes) -> Option<u32> {
        let Some(Span(timeout)) = timeout else { return Some(default) };
        let seconds = timeout.as_secs();
        if timeout.subsec_nanos() != 0 || !(1..=LONGEST_TIMEOUT).contains(&seconds) {
            let message = "expected whole seconds from 1s to 1h";
            mistakes.add(&self.place_at("/spec/timeout"), message, None);
            return None;
        }
        u32::try_from(seconds).ok()
    }

    /// Returns whether these words can be run: which programs may be is the target's to say. No shell reads them.
    #[expect(clippy::unused_self, reason = "reads as its siblings do")]
    fn program(&self, command: &[String], place: &Place, mistakes: &mut Mistakes) -> bool {
        let Some(program) = command.first() else {
            mistakes.add(place, "expected a program and its arguments, found an empty list", None);
            return false;
        };
        let bare = !program.is_empty() && !program.contains('/') && !program.starts_with('-');
        if !bare && identity::path(program).is_err() {
            let message = format!("expected a program by its name or absolute path, found {}", quoted(program));
            let hint = program.contains(' ').then_some("write each argument as an item of its own: [nginx, -t]");
            mistakes.add(place, &message, hint);
            return false;
        }
        if command.iter().flat_map(|word| word.chars()).any(char::is_control) {
            mistakes.add(place, "a word of this command holds a control character", None);
            return false;
        }
        if command.iter().map(String::len).sum::<usize>() > LONGEST {
            mistakes.add(place, "this command is longer than 4096 bytes", Some("put it into a script"));
            return false;
        }
        true
    }
}
