//! Which units are trueup's own: whoever waits for the restart of one waits for itself.

use std::sync::LazyLock;

/// The services that this process runs in, from the outermost: a service of a user's own lies in that of the user's systemd.
static AROUND: LazyLock<Vec<String>> =
    LazyLock::new(|| std::fs::read_to_string("/proc/self/cgroup").map_or_else(|_| vec![], |text| services(&text)));

/// Returns whether this process runs in the unit, and ends with it.
pub(super) fn itself(unit: &str) -> bool {
    AROUND.iter().any(|service| service == unit)
}

/// Returns whether the unit is this process's, or bears the name of one half of trueup: the halves wait for each other.
pub(super) fn own(unit: &str) -> bool {
    named(unit) || itself(unit)
}

fn named(unit: &str) -> bool {
    unit.starts_with("trueup") && (unit.ends_with(".service") || unit.ends_with(".socket"))
}

/// Returns the services that a file of cgroups(7) names, in the unified hierarchy or the one that systemd keeps for itself.
fn services(text: &str) -> Vec<String> {
    let path = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        matches!(controllers, "" | "name=systemd").then(|| path.to_owned())
    };
    let paths = text.lines().filter_map(path);
    let services = paths
        .flat_map(|path| path.split('/').filter(|part| part.ends_with(".service")).map(Into::into).collect::<Vec<_>>());
    services.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_around_a_process_are_read_from_its_cgroup() {
        assert_eq!(services("0::/system.slice/gitops.service\n"), ["gitops.service"]);
        assert_eq!(services("0::/system.slice/gitops.service/sub\n"), ["gitops.service"]);
        let nested = "5:cpu:/a.service\n1:name=systemd:/user.slice/user@1.service/app.slice/t.service\n";
        assert_eq!(services(nested), ["user@1.service", "t.service"]);
        assert!(services("0::/\n").is_empty() && services("nonsense").is_empty());
    }

    #[test]
    fn both_halves_are_own_and_what_is_beside_them_is_not() {
        for unit in ["trueup.service", "trueup-host.service", "trueup-host.socket", "trueup-test.service"] {
            assert!(named(unit), "{unit}");
        }
        for unit in ["my-trueup.service", "trueup.timer", "nginx.service"] {
            assert!(!named(unit), "{unit}");
        }
    }
}
