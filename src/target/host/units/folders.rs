//! What a path means to systemd: the folders that it reads units from, and which units a file there makes or changes.

use crate::model::unit;

/// Where unit files lie, in the order of systemd.unit(5), and where its generators put theirs.
const FOLDERS: [&str; 11] = [
    "/etc/systemd/system.control/",
    "/run/systemd/system.control/",
    "/run/systemd/transient/",
    "/etc/systemd/system/",
    "/etc/systemd/system.attached/",
    "/run/systemd/system/",
    "/run/systemd/generator/",
    "/run/systemd/generator.late/",
    "/usr/local/lib/systemd/system/",
    "/usr/lib/systemd/system/",
    "/lib/systemd/system/",
];

/// podman-systemd.unit(5): units that its generator makes.
const QUADLETS: [&str; 3] = ["/etc/containers/systemd/", "/run/containers/systemd/", "/usr/share/containers/systemd/"];

/// Type of a Quadlet file, and what stands between its name and `.service`.
const QUADLET_TYPES: [(&str, &str); 7] = [
    ("container", ""),
    ("kube", ""),
    ("volume", "-volume"),
    ("network", "-network"),
    ("pod", "-pod"),
    ("image", "-image"),
    ("build", "-build"),
];

/// What lies at a path of one of those folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'p> {
    /// The unit's own file, or a link that is another name of it.
    File(&'p str),
    /// Adds to this unit, or to those that a pattern with `*` matches.
    DropIn(String),
    /// Has the first unit start, or need, the second.
    Wants(&'p str, &'p str),
    /// Makes this unit, by a generator.
    Quadlet(String),
    /// Read by systemd or its generators, and no unit's own.
    Other,
}

/// Returns what a path is to systemd; `None` outside of its folders.
pub(super) fn piece(path: &str) -> Option<Piece<'_>> {
    if let Some(rest) = QUADLETS.iter().find_map(|folder| path.strip_prefix(folder)) {
        return Some(quadlet(rest));
    }
    let rest = FOLDERS.iter().find_map(|folder| path.strip_prefix(folder))?;
    Some(match rest.split_once('/') {
        None if unit::check(rest).is_ok() => Piece::File(rest),
        None => folder(rest).map_or(Piece::Other, Piece::DropIn),
        Some((above, name)) => match above.rsplit_once('.') {
            Some((unit, "wants" | "requires" | "upholds")) => Piece::Wants(unit, name),
            _ => folder(above).map_or(Piece::Other, Piece::DropIn),
        },
    })
}

/// Returns the unit, or the pattern of units, that a folder of drop-ins is for (systemd.unit(5): a whole type, a prefix that
/// ends in a dash, a template with all its instances).
fn folder(name: &str) -> Option<String> {
    let unit = name.strip_suffix(".d")?;
    let Some((stem, sort)) = unit.rsplit_once('.') else { return Some(format!("*.{unit}")) };
    if unit::is_template(unit) {
        return Some(format!("{stem}*.{sort}"));
    }
    // `-.mount` is the root's own; a longer name that ends in a dash is a prefix, also of a template or instance.
    match stem.split_once('@').map_or(stem, |(prefix, _)| prefix) {
        prefix if prefix.ends_with('-') && prefix != "-" => Some(format!("{prefix}*.{sort}")),
        _ => Some(unit.to_owned()),
    }
}

fn quadlet(rest: &str) -> Piece<'static> {
    let service = |file: &str| {
        let (stem, sort) = file.rsplit_once('.')?;
        let (_, ending) = QUADLET_TYPES.iter().find(|(known, _)| *known == sort)?;
        // Of a template the ending goes before its `@`.
        let name = match stem.split_once('@') {
            Some((prefix, instance)) => format!("{prefix}{ending}@{instance}.service"),
            None => format!("{stem}{ending}.service"),
        };
        unit::check(&name).is_ok().then_some(name)
    };
    let mut parts = rest.rsplit('/');
    let leaf = parts.next().unwrap_or_default();
    let above = parts.next().and_then(|folder| folder.strip_suffix(".d"));
    above.and_then(service).or_else(|| service(leaf)).map_or(Piece::Other, Piece::Quadlet)
}

/// Returns whether what lies at `path` makes a unit of this name: its file, its template's file, or a Quadlet file.
pub(super) fn provides(path: &str, name: &str) -> bool {
    let made = |unit: &str| unit == name || unit::template(name).is_some_and(|template| template == unit);
    match piece(path) {
        Some(Piece::File(unit)) => made(unit),
        Some(Piece::Quadlet(unit)) => made(&unit) && !path.contains(".d/"),
        _ => false,
    }
}

/// Returns the units that what lies at `path` makes or changes, `*` standing for any part of a name; none outside of the folders
/// that systemd reads.
pub(in crate::target::host) fn changed(path: &str) -> Vec<String> {
    match piece(path) {
        Some(Piece::File(name)) => vec![name.to_owned()],
        Some(Piece::DropIn(name) | Piece::Quadlet(name)) => vec![name],
        // Every target that starts at boot wants things: only what hangs on the unit itself changes it.
        Some(Piece::Wants(above, below)) if above.ends_with(".target") => vec![below.to_owned()],
        Some(Piece::Wants(above, below)) => vec![above.to_owned(), below.to_owned()],
        Some(Piece::Other) | None => vec![],
    }
}

/// Returns every path at which the file of this unit may lie.
pub(super) fn files(name: &str) -> impl Iterator<Item = String> {
    FOLDERS.iter().map(move |folder| format!("{folder}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_what_it_is_to_systemd() {
        let drop_in = |unit: &str| Some(Piece::DropIn(unit.into()));
        for (path, expected) in [
            ("/etc/systemd/system/a.service", Some(Piece::File("a.service"))),
            ("/usr/local/lib/systemd/system/a@.timer", Some(Piece::File("a@.timer"))),
            ("/etc/systemd/system/ssh.service.d/x.conf", drop_in("ssh.service")),
            ("/etc/systemd/system/ssh.service.d", drop_in("ssh.service")),
            ("/etc/systemd/system/service.d/x.conf", drop_in("*.service")),
            ("/etc/systemd/system/systemd-.service.d/x.conf", drop_in("systemd-*.service")),
            ("/etc/systemd/system/getty@.service.d/x.conf", drop_in("getty@*.service")),
            ("/etc/systemd/system/-.mount.d/x.conf", drop_in("-.mount")),
            (
                "/etc/systemd/system/multi-user.target.wants/a.service",
                Some(Piece::Wants("multi-user.target", "a.service")),
            ),
            ("/etc/systemd/system/README", Some(Piece::Other)),
            ("/etc/containers/systemd/web.container", Some(Piece::Quadlet("web.service".into()))),
            ("/etc/containers/systemd/x/data.volume", Some(Piece::Quadlet("data-volume.service".into()))),
            ("/etc/containers/systemd/web.container.d/10.conf", Some(Piece::Quadlet("web.service".into()))),
            ("/etc/containers/systemd/app@.container", Some(Piece::Quadlet("app@.service".into()))),
            ("/etc/containers/systemd/x.env", Some(Piece::Other)),
            ("/etc/systemd/system.conf", None),
            ("/etc/nginx/nginx.conf", None),
        ] {
            assert_eq!(piece(path), expected, "{path}");
        }
    }

    #[test]
    fn a_unit_is_made_by_its_file_its_template_or_a_quadlet() {
        assert!(provides("/etc/systemd/system/a@.service", "a@x.service"));
        assert!(provides("/etc/containers/systemd/web.container", "web.service"));
        for path in ["/etc/systemd/system/a.service.d/x.conf", "/etc/systemd/system/b.service", "/etc/a.service"] {
            assert!(!provides(path, "a.service"), "{path}");
        }
        assert!(!provides("/etc/containers/systemd/web.container.d/x.conf", "web.service"));
    }
}
