use super::Scope;
use super::target::{absolute, allowed, commands, units};
use crate::config::HostAccess;

pub(super) fn check(access: &HostAccess, scope: &mut Scope) {
    allowed(&access.allow, access.root.as_deref(), "/spec/allow", scope);
    commands(&access.commands, "/spec/commands", scope);
    units(&access.units, "/spec/units", scope);
    absolute("config.path", &access.data, "/spec/data", scope);
    if let Some(root) = &access.root {
        absolute("config.path", root, "/spec/root", scope);
    }
    for (at, peer) in access.peers.iter().enumerate() {
        let pointer = format!("/spec/peers/{at}");
        if peer.unit.is_some() == peer.user.is_some() {
            let message = "expected exactly one of 'unit' and 'user'";
            scope.hint("config.peer", &pointer, message, "write { unit: trueup.service } or { user: NAME }");
        }
        let named = peer.unit.as_deref().is_none_or(|unit| unit.ends_with(".service") && !unit.contains('/'));
        if !named {
            let message = "expected the name of a service";
            scope.hint("config.peer", &format!("{pointer}/unit"), message, "write it whole, such as trueup.service");
        }
    }
}
