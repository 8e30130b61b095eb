//! What systemd says of its units: org.freedesktop.systemd1(5).

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use zbus::{Connection, OwnedObjectPath, OwnedVariant};
use zbus_systemd::systemd1::ManagerProxy;

use super::Units;
use crate::target::{Call, TargetError};

pub(super) const SYSTEMD: &str = "org.freedesktop.systemd1";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
pub(super) const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// What is known of one unit.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Its own name, of which the one asked for may be an alias. Empty for a template, which is no unit.
    pub(super) id: String,
    /// `loaded`, `not-found`, `masked`, `error` …
    pub(super) load: String,
    /// `active`, `inactive`, `failed`, `activating` …
    pub(super) active: String,
    pub(super) sub: String,
    /// `enabled`, `disabled`, `static` …; `None` where there is no unit file, or nobody asked.
    pub(super) file: Option<String>,
    pub(super) path: Option<OwnedObjectPath>,
    /// It is a service that ends by itself, and did so well: that is as much as it ever runs.
    pub(super) has_run: bool,
}

impl Facts {
    /// There is nothing by that name.
    pub(super) fn missing(&self) -> bool {
        self.file.is_none() && (self.load == "not-found" || self.id.is_empty())
    }

    pub(super) fn enabled(&self) -> bool {
        self.file.as_deref() == Some("enabled")
    }

    pub(super) fn masked(&self) -> bool {
        self.load == "masked" || matches!(self.file.as_deref(), Some("masked" | "masked-runtime"))
    }

    pub(super) fn running(&self) -> bool {
        self.has_run || matches!(self.active.as_str(), "active" | "activating" | "reloading" | "refreshing")
    }
}

/// The properties of one interface of a unit.
#[derive(Debug, Default)]
pub(super) struct Properties(HashMap<String, OwnedVariant>);

impl Properties {
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(|value| <&str>::try_from(value).ok()).unwrap_or_default()
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        let Some(value) = self.0.get(name) else { return 0 };
        let small = || u32::try_from(value).map(u64::from);
        let signed = || i32::try_from(value).map(|number| u64::try_from(number).unwrap_or(0));
        u64::try_from(value).or_else(|_| small()).or_else(|_| signed()).unwrap_or(0)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(|value| bool::try_from(value).ok()).unwrap_or(false)
    }

    /// In hexadecimal.
    pub(super) fn bytes(&self, name: &str) -> String {
        let value = self.0.get(name).and_then(|value| value.try_clone().ok());
        let bytes = value.and_then(|value| Vec::<u8>::try_from(value).ok()).unwrap_or_default();
        bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl Units {
    /// Returns what is known of these units, with the state of the unit files of those that `files` names: one question about
    /// all of them, and one for each unit file.
    pub(super) async fn facts(
        &self,
        call: &Call,
        names: &[String],
        files: &[String],
    ) -> Result<BTreeMap<String, Facts>, TargetError> {
        let (names, files) = (names.to_vec(), files.to_vec());
        self.bus.ask(call, "look at units", |connection| async move { facts(&connection, names, &files).await }).await
    }

    /// Returns what is known of one unit.
    pub(super) async fn fact(&self, call: &Call, name: &str) -> Result<Facts, TargetError> {
        let name = [name.to_owned()];
        Ok(self.facts(call, &name, &name).await?.into_values().next().unwrap_or_default())
    }

    /// Returns the properties of a unit that hold for its type (`SERVICE`), or for units of any type.
    pub(super) async fn properties(
        &self,
        call: &Call,
        facts: &Facts,
        interface: Option<&'static str>,
    ) -> Result<Properties, TargetError> {
        let Some(path) = facts.path.clone() else { return Ok(Properties::default()) };
        let interface = interface.unwrap_or(UNIT);
        self.bus.ask(call, "look at a unit", |bus| async move { properties(&bus, &path, interface).await }).await
    }

    /// Returns which run of a unit this is; empty where it never ran.
    pub(super) async fn invocation(&self, call: &Call, name: &str) -> Result<String, TargetError> {
        let facts = self.facts(call, &[name.to_owned()], &[]).await?;
        let Some(facts) = facts.get(name) else { return Ok(String::new()) };
        Ok(self.properties(call, facts, None).await?.bytes("InvocationID"))
    }
}

async fn facts(bus: &Connection, names: Vec<String>, files: &[String]) -> zbus::Result<BTreeMap<String, Facts>> {
    let manager = ManagerProxy::new(bus).await?;
    let mut known: BTreeMap<String, Facts> = names.iter().map(|name| (name.clone(), Facts::default())).collect();
    // A template is no unit: only its file has a state.
    let units: Vec<_> = names.into_iter().filter(|name| !crate::model::unit::is_template(name)).collect();
    if !units.is_empty() {
        let listed = manager.list_units_by_names(units.clone()).await?;
        if listed.len() != units.len() {
            return Err(zbus::Error::InvalidReply);
        }
        for (name, (id, _, load, active, sub, _, path, ..)) in units.into_iter().zip(listed) {
            let mut facts = Facts { id, load, active, sub, path: Some(path), ..Facts::default() };
            if facts.active == "inactive" && facts.load == "loaded" && name.ends_with(".service") {
                facts.has_run = has_run(bus, &facts).await?;
            }
            known.insert(name, facts);
        }
    }
    for name in files {
        let state = match manager.get_unit_file_state(name.clone()).await {
            Ok(state) => Some(state),
            Err(error) if is_missing(&error) => None,
            Err(zbus::Error::MethodError(..) | zbus::Error::FDO(_)) => Some("bad".into()),
            Err(error) => return Err(error),
        };
        known.entry(name.clone()).or_default().file = state.filter(|state| !state.is_empty());
    }
    Ok(known)
}

async fn has_run(bus: &Connection, facts: &Facts) -> zbus::Result<bool> {
    let Some(path) = &facts.path else { return Ok(false) };
    let service = properties(bus, path, SERVICE).await?;
    let once = service.text("Type") == "oneshot" && !service.flag("RemainAfterExit");
    Ok(once && service.text("Result") == "success" && service.number("ExecMainExitTimestamp") != 0)
}

async fn properties(bus: &Connection, path: &OwnedObjectPath, interface: &str) -> zbus::Result<Properties> {
    let (to, of) = (Some(SYSTEMD), Some("org.freedesktop.DBus.Properties"));
    let answer = bus.call_method(to, path, of, "GetAll", &interface).await?;
    Ok(Properties(answer.body().deserialize()?))
}

fn is_missing(error: &zbus::Error) -> bool {
    match error {
        zbus::Error::FDO(error) => matches!(**error, zbus::fdo::Error::FileNotFound(_)),
        zbus::Error::MethodError(name, ..) => {
            matches!(name.as_str(), "org.freedesktop.systemd1.NoSuchUnit" | "org.freedesktop.DBus.Error.FileNotFound")
        }
        _ => false,
    }
}
