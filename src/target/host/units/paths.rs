//! Paths that systemd reads: who may write them, and what has to follow.

use super::Units;
use super::allow::{covers_protected, protected, refuse};
use super::folders::{Piece, files, piece};
use crate::model::host::{HostSpec, PATH};
use crate::model::{Complete, ObjectId};
use crate::target::TargetError;

impl Units {
    /// Returns whether a change of this path makes systemd read its unit files again.
    pub(in crate::target::host) fn is_unit_path(path: &str) -> bool {
        piece(path).is_some()
    }

    /// Unit files, links and drop-ins of what a host needs to live are written only where the target names that very unit.
    /// Names count with what they are aliases of, by links that are there or that come.
    ///
    /// # Errors
    /// `host.unit-protected`.
    pub(in crate::target::host) fn check_path(
        &self,
        path: &str,
        spec: Option<&HostSpec>,
        desired: &Complete,
    ) -> Result<(), TargetError> {
        let alias = |name: &str| coming(name, desired).or_else(|| if self.whole { linked(name) } else { None });
        let alias: &dyn Fn(&str) -> Option<String> = &alias;
        let masks = matches!(spec, Some(HostSpec::Symlink { to, .. }) if to == "/dev/null");
        let change = |name: &str| {
            for name in names(name, alias) {
                if protected(&name) && !self.allowed.names(&name) {
                    return Err(refuse(&name, &format!("changed through {path}")));
                }
            }
            Ok(())
        };
        match piece(path) {
            None | Some(Piece::Other) => Ok(()),
            Some(Piece::File(name)) if masks && names(name, alias).iter().any(|name| protected(name)) => {
                Err(refuse(name, "masked"))
            }
            Some(Piece::File(name)) => change(name),
            Some(Piece::Wants(above, below)) => {
                // Every target that starts at boot wants things: only what hangs on the unit itself changes it.
                if above.ends_with(".target") { change(below) } else { change(above).and_then(|()| change(below)) }
            }
            Some(Piece::DropIn(name)) if name.contains('*') => {
                if covers_protected(&name) {
                    Err(refuse(&name, &format!("changed through {path}")))
                } else {
                    Ok(())
                }
            }
            Some(Piece::Quadlet(name) | Piece::DropIn(name)) => change(&name),
        }
    }
}

/// Returns the name and what it is an alias of, link by link.
fn names(name: &str, alias: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    // A round of links ends here as well.
    while let Some(next) = names.last().and_then(|name| alias(name)).filter(|next| !names.contains(next)) {
        names.push(next);
        if names.len() > 8 {
            break;
        }
    }
    names
}

/// Returns the unit that a link of the application makes `name` an alias of.
fn coming(name: &str, desired: &Complete) -> Option<String> {
    files(name).find_map(|path| match desired.objects.get(&ObjectId::new(PATH, &path)).map(HostSpec::from_spec) {
        Some(Ok(HostSpec::Symlink { to, .. })) => to.rsplit('/').next().filter(|leaf| *leaf != name).map(Into::into),
        _ => None,
    })
}

/// Returns the unit that a link in a unit folder of this machine makes `name` an alias of.
fn linked(name: &str) -> Option<String> {
    files(name).find_map(|path| {
        let to = std::fs::read_link(path).ok()?;
        let leaf = to.file_name()?.to_str()?.to_owned();
        (leaf != name).then_some(leaf)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::config::HostTarget;
    use crate::model::{Contents, ContentsError, Digest, Place};

    fn units(named: &[&str]) -> Units {
        let units = named.iter().map(ToString::to_string).collect();
        let root = Some("/nowhere".into());
        let declared = HostTarget { allow: vec![], commands: vec![], units, allow_setuid: false, root, via: None };
        Units::new(&declared, Arc::default())
    }

    struct Nothing;

    impl Contents for Nothing {
        fn read(&self, digest: &Digest) -> Result<Arc<[u8]>, ContentsError> {
            Err(ContentsError { digest: *digest, source: anyhow::anyhow!("no content") })
        }
    }

    fn desired(links: &[(&str, &str)]) -> Complete {
        let place = || Place { file: "x".into(), line: 0, column: 0 };
        let link = |to: &str| HostSpec::Symlink { to: to.into(), calls: vec![] }.to_spec(place());
        let objects: BTreeMap<_, _> = links.iter().map(|(path, to)| (ObjectId::new(PATH, path), link(to))).collect();
        Complete { objects, contents: Arc::new(Nothing) }
    }

    #[test]
    fn what_a_host_needs_is_changed_only_where_it_is_named() {
        let nobody = desired(&[]);
        let no = [
            "/etc/systemd/system/ssh.service",
            "/etc/systemd/system/ssh.service.d/x.conf",
            "/etc/systemd/system/service.d/x.conf",
            "/etc/systemd/system/systemd-.service.d/x.conf",
            "/etc/systemd/system/ssh.service.requires/x.service",
            "/etc/systemd/system/multi-user.target.wants/ssh.service",
            "/etc/containers/systemd/ssh.container",
            "/usr/local/lib/systemd/system/trueup.service",
        ];
        for path in no {
            let refused = units(&["*"]).check_path(path, None, &nobody).unwrap_err();
            assert_eq!(refused.code(), "host.unit-protected", "{path}");
        }
        let yes = [
            "/etc/systemd/system/nginx.service.d/x.conf",
            "/etc/systemd/system/multi-user.target.wants/nginx.service",
            "/etc/systemd/network/x.network",
        ];
        for path in yes {
            assert!(units(&[]).check_path(path, None, &nobody).is_ok(), "{path}");
        }
        let drop_in = "/etc/systemd/system/ssh.service.d/x.conf";
        assert!(units(&["ssh.service"]).check_path(drop_in, None, &nobody).is_ok());
        let mask = HostSpec::Symlink { to: "/dev/null".into(), calls: vec![] };
        let named = units(&["ssh.service"]).check_path("/etc/systemd/system/ssh.service", Some(&mask), &nobody);
        assert!(named.is_err(), "a mask is none of what may be done to it");
    }

    #[test]
    fn an_alias_is_what_it_stands_for() {
        let alias = desired(&[("/etc/systemd/system/my.service", "/lib/systemd/system/ssh.service")]);
        assert!(units(&["*"]).check_path("/etc/systemd/system/my.service.d/x.conf", None, &alias).is_err());
    }
}
