//! A document of kind Unit.

use super::Document;
use super::schema::{Probe, Unit, UnitState};
use crate::config::Span;
use crate::model::host::{self, HostSpec, UnitHealth, UnitSpec};
use crate::model::{Place, unit};
use crate::render::error::Mistakes;
use crate::render::merge::Declared;
use crate::yaml::quoted;

/// A probe may take this many seconds each time it is tried.
const PROBE_TIMEOUT: u32 = 10;
/// Bytes of a URL or address.
const LONGEST_ADDRESS: usize = 2048;
const LONGEST_SETTLE: u128 = 10 * 60 * 1000;

impl Document<'_> {
    /// Returns whether this can be the name of a unit.
    #[expect(clippy::unused_self, reason = "reads as its siblings do")]
    pub(super) fn unit_name(&self, name: &str, place: &Place, mistakes: &mut Mistakes) -> bool {
        let Err(wrong) = unit::check(name) else { return true };
        let bare = !name.contains('.') && unit::check(&format!("{name}.service")).is_ok();
        let hint = bare.then(|| format!("did you mean '{name}.service'?"));
        mistakes.add(place, &format!("the unit {} {wrong}", quoted(name)), hint.as_deref());
        false
    }

    pub(super) fn unit(&self, unit: Unit, mistakes: &mut Mistakes) -> Option<Declared> {
        let handlers = self.handlers(unit.on_change, mistakes);
        let running = unit.state.map(|state| state == UnitState::Running);
        self.consistent(unit.enabled, running, unit.masked, mistakes);
        let probe = unit.probe.map(|probe| self.probe(probe, running, mistakes));
        let settle = self.settle(unit.settle, mistakes);
        let default = UnitHealth::default();
        let timeout = self.seconds(unit.timeout, default.timeout, mistakes)?;
        let health = UnitHealth { settle: settle?, timeout, probe: probe.map_or(Some(None), |probe| probe.map(Some))? };
        let (enabled, masked, calls) = (unit.enabled, unit.masked, handlers.calls.clone());
        let spec = HostSpec::Unit(UnitSpec { enabled, running, masked, health, calls });
        Some(self.declared(spec, handlers))
    }

    /// Adds what a unit cannot be at once.
    fn consistent(&self, enabled: Option<bool>, running: Option<bool>, masked: Option<bool>, mistakes: &mut Mistakes) {
        if enabled.is_none() && running.is_none() && masked.is_none() {
            let message = "expected at least one of `enabled`, `state` and `masked`";
            mistakes.add(&self.place_of(self.node.get("spec")), message, None);
        }
        if masked == Some(true) && (enabled == Some(true) || running == Some(true)) {
            let message = "a masked unit can be neither enabled nor running";
            mistakes.add(&self.place_at("/spec/masked"), message, None);
        }
        let name = self.node.at("/metadata/name").and_then(crate::yaml::Node::as_str).unwrap_or_default();
        if unit::is_template(name) && running.is_some() {
            let message = format!("{} is a template, which does not run itself", quoted(name));
            mistakes.add(&self.place_at("/spec/state"), &message, Some("name an instance: NAME@INSTANCE.service"));
        }
    }

    /// In milliseconds.
    fn settle(&self, settle: Option<Span>, mistakes: &mut Mistakes) -> Option<u64> {
        let Some(Span(settle)) = settle else { return Some(UnitHealth::default().settle) };
        if settle.as_millis() > LONGEST_SETTLE {
            mistakes.add(&self.place_at("/spec/settle"), "expected at most 10m", None);
            return None;
        }
        u64::try_from(settle.as_millis()).ok()
    }

    fn probe(&self, probe: Probe, running: Option<bool>, mistakes: &mut Mistakes) -> Option<host::Probe> {
        let place = self.place_at("/spec/probe");
        if running == Some(false) {
            mistakes.add(&place, "a unit that is stopped cannot be probed", None);
            return None;
        }
        let plain = |text: &str| text.len() <= LONGEST_ADDRESS && !text.contains(|c: char| c.is_control() || c == ' ');
        match (probe.http, probe.tcp, probe.command) {
            (Some(url), None, None) => {
                let scheme = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
                if plain(&url) && scheme.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) {
                    return Some(host::Probe::Http(url));
                }
                let message = format!("expected an http:// or https:// URL, found {}", quoted(&url));
                mistakes.add(&self.place_at("/spec/probe/http"), &message, None);
                None
            }
            (None, Some(address), None) => {
                let port = address.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
                if plain(&address) && port.and_then(|port| port.parse::<u16>().ok()).is_some_and(|port| port != 0) {
                    return Some(host::Probe::Tcp(address));
                }
                let message = format!("expected HOST:PORT, found {}", quoted(&address));
                mistakes.add(&self.place_at("/spec/probe/tcp"), &message, None);
                None
            }
            (None, None, Some(command)) => {
                let timeout = Some(Span(std::time::Duration::from_secs(PROBE_TIMEOUT.into())));
                self.command(command, timeout, "probe/command", mistakes).map(host::Probe::Command)
            }
            _ => {
                mistakes.add(&place, "expected exactly one of `http`, `tcp` and `command`", None);
                None
            }
        }
    }
}
