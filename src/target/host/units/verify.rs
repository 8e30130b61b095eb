//! `systemd-analyze verify` on the unit files that a plan writes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::Units;
use super::folders::{Piece, files, piece};
use crate::model::host::{HostSpec, PATH, daemon_reload, verify_units};
use crate::model::{After, Complete, ObjectId, Place, Preview, Spec, unit};
use crate::target::command::{CommandError, Commands};
use crate::target::host::{command_error, rank};
use crate::target::{Call, Done, TargetError};

const ANALYZE: &str = "/usr/bin/systemd-analyze";
const PATIENCE: Duration = Duration::from_mins(1);

/// Types that systemd-analyze has nothing to say of.
const UNVERIFIED: [&str; 2] = ["scope", "device"];

impl Units {
    /// Has each changed path in a unit folder call what must follow, and returns what that runs: one daemon-reload, and one
    /// judgement of the unit files that come, or that drop-ins come for.
    pub(in crate::target::host) fn follow_up(
        &self,
        items: &mut Vec<Preview>,
        desired: &Complete,
    ) -> BTreeMap<ObjectId, Spec> {
        let (mut runs, mut judged) = (BTreeMap::new(), BTreeSet::new());
        let mut reload = false;
        for preview in items.iter_mut().filter(|preview| preview.id.kind == PATH) {
            let (comes, goes) = (matches!(preview.after, After::Is(_)), matches!(preview.after, After::Absent));
            if !(comes || goes) || !Self::is_unit_path(&preview.id.name) {
                continue;
            }
            reload = true;
            preview.calls.push(daemon_reload());
            if let Some(file) = self.judged(&preview.id.name, desired).filter(|_| comes) {
                judged.insert(file);
                preview.calls.push(verify_units());
            }
        }
        let place = || Place { file: "systemd".into(), line: 0, column: 0 };
        let mut add = |id: ObjectId, rank, spec: &HostSpec| {
            if !desired.objects.contains_key(&id) {
                items.push(Preview::of_run(id.clone(), rank, super::digest(spec)));
                runs.insert(id, spec.to_spec(place()));
            }
        };
        if reload {
            add(daemon_reload(), rank::DAEMON_RELOAD, &HostSpec::DaemonReload);
        }
        if !judged.is_empty() {
            let paths = judged.into_iter().collect();
            add(verify_units(), rank::CHECK, &HostSpec::VerifyUnits { paths });
        }
        runs
    }

    /// Returns the unit file that has to be judged because this path changes.
    fn judged(&self, path: &str, desired: &Complete) -> Option<String> {
        let name = match piece(path)? {
            Piece::File(name) => name.to_owned(),
            Piece::DropIn(name) if !name.contains('*') => name,
            _ => return None,
        };
        let is_file = |path: &String| match desired.objects.get(&ObjectId::new(PATH, path)).map(HostSpec::from_spec) {
            Some(Ok(spec)) => matches!(spec, HostSpec::File(_)),
            _ => self.whole && Path::new(path).is_file(),
        };
        let known = |name: &str| files(name).find(is_file);
        let template = || unit::template(&name).and_then(|template| known(&template));
        known(&name).or_else(template).filter(|_| !UNVERIFIED.contains(&unit::sort(&name)))
    }

    /// Fails where systemd finds anything wrong with these files, warnings included: it exits with 0 on some of them.
    pub(in crate::target::host) async fn verify(
        &self,
        call: &Call,
        commands: &Commands,
        paths: &[String],
    ) -> Result<Done, TargetError> {
        let skipped = |why: &str| {
            tracing::info!("unit files are not verified: {why}");
            Ok(Done { output: Some(format!("not verified: {why}")), ..Done::default() })
        };
        if !self.whole {
            return skipped("the target has a root of its own");
        }
        if !Path::new(ANALYZE).exists() {
            return skipped("this host has no systemd-analyze");
        }
        if paths.is_empty() {
            return Ok(Done::default());
        }
        let fault = |said: &str| TargetError::Invalid {
            code: "host.unit-invalid".into(),
            reason: format!("systemd-analyze verify finds fault with the unit files: {}", said.trim()),
        };
        let arguments = ["verify", "--man=no", "--recursive-errors=no", "--"].map(String::from);
        let arguments: Vec<_> = arguments.into_iter().chain(paths.iter().cloned()).collect();
        match commands.judge(call, Path::new(ANALYZE), &arguments, PATIENCE).await {
            Ok(said) if said.trim().is_empty() => Ok(Done::default()),
            Ok(said) => Err(fault(&said)),
            Err(CommandError::Failed { how, output, .. }) if output.trim().is_empty() => {
                Err(fault(&format!("it {how}")))
            }
            Err(CommandError::Failed { output, .. }) => Err(fault(&output)),
            Err(error) => Err(command_error(error, "host.unit-invalid")),
        }
    }
}
