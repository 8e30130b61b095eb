//! Names of systemd units, by the grammar of systemd.unit(5).

/// `UNIT_NAME_MAX`, in bytes, without the end of the string.
const LONGEST: usize = 255;

const TYPES: [&str; 11] =
    ["service", "socket", "timer", "target", "path", "mount", "automount", "swap", "slice", "scope", "device"];

/// Returns what is wrong with `name` as the whole name of a unit (`nginx.service`, `app@blue.service`), as a phrase.
///
/// # Errors
/// Where systemd would not take it for a name.
pub fn check(name: &str) -> Result<(), &'static str> {
    let Some((stem, suffix)) = name.rsplit_once('.') else { return Err("has no type, such as `.service`") };
    if !TYPES.contains(&suffix) {
        return Err("does not end in a type of unit, such as `.service`, `.timer` or `.socket`");
    }
    if name.len() > LONGEST {
        return Err("is longer than 255 bytes");
    }
    let (prefix, instance) = stem.split_once('@').map_or((stem, ""), |(prefix, instance)| (prefix, instance));
    if prefix.is_empty() {
        return Err("has nothing before its type or `@`");
    }
    let fine = |c: char| c.is_ascii_alphanumeric() || ":-_.\\".contains(c);
    if !prefix.chars().all(fine) || !instance.chars().all(|c| fine(c) || c == '@') {
        return Err("holds a character that names of units do not have: expected a-z, A-Z, 0-9 and : - _ . \\");
    }
    Ok(())
}

/// Returns the type: `service` of `nginx.service`.
#[must_use]
pub fn sort(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, suffix)| suffix)
}

/// Returns whether this is a template without an instance (`app@.service`): it can be enabled, but there is nothing to run.
#[must_use]
pub fn is_template(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, _)| stem.split_once('@').is_some_and(|(_, instance)| instance.is_empty()))
}

/// Returns the template that an instance is made from: `app@.service` of `app@blue.service`.
#[must_use]
pub fn template(name: &str) -> Option<String> {
    let (stem, suffix) = name.rsplit_once('.')?;
    let (prefix, instance) = stem.split_once('@')?;
    (!instance.is_empty()).then(|| format!("{prefix}@.{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar_of_systemd() {
        let long = format!("{}.service", "x".repeat(247));
        for good in
            ["nginx.service", "a@b@c.service", "a@.timer", "-.mount", "dev-disk\\x2d1.swap", "a.b:c_d.socket", &long]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let longer = format!("{}.service", "x".repeat(248));
        let bad = [
            "",
            "nginx",
            ".service",
            "@.service",
            "@a.service",
            "a.conf",
            "../../x.service",
            "a/b.service",
            "a b.service",
            "a@$(id).service",
            "a.service\nExecStartPre=/bin/sh",
            "a.service ",
            "ä.service",
            "*.service",
            &longer,
        ];
        for bad in bad {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_instance_has_a_template() {
        assert_eq!(template("app@blue.service").as_deref(), Some("app@.service"));
        assert_eq!((template("app@.service"), template("app.service")), (None, None));
        assert!(is_template("app@.service") && !is_template("app@x.service") && !is_template("app.service"));
    }
}
