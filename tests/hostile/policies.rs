//! Class M, what judges and what is kept: M4, rules that err or never end; M8 and M10, contents that are at hand, but not for whom asks.

use crate::case::{Case, Expect, Ground, quoted};
use crate::world::{Authority, Fault, HttpServer, Options};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = without_an_answer();
    cases.extend(without_an_end());
    cases.extend(refused_at_once());
    cases.extend(of_others());
    cases.extend(revoked());
    cases
}

/// M4: an expression that is true or false of nothing holds.
fn without_an_answer() -> Vec<Case> {
    [
        ("a rule that answers with a number", "plan.updates"),
        ("a rule about a field that is not there", "plan.nothing == 1"),
        ("a rule that divides by zero", "1 / (plan.updates - 1) == 0"),
        ("a rule about an element that is not there", "commits[99].subject == 'x'"),
        ("a rule that compares a text with a time", "commit.message < now"),
    ]
    .map(|(title, when)| {
        Case::refused("M4", title, &["policy.error"]).attack(move |ground| {
            bind(ground, &format!("deny: {{ when: \"{when}\", message: no }}"));
            ground.overlay("one.conf", "poison\n");
            ground.land();
        })
    })
    .into()
}

/// M4: what would take for ever is not begun.
fn without_an_end() -> Vec<Case> {
    vec![
        Case::refused("M4", "a rule over each pair of 1,500 steps", &["policy.error"]).attack(|ground| {
            bind(ground, "deny: { when: \"plan.steps.all(a, plan.steps.all(b, a.name != b.kind))\", message: no }");
            for number in 0..1500 {
                ground.overlay(&format!("many/{number}"), "x\n");
            }
            ground.land();
        }),
        of_message("a pattern that goes back and forth over a long message", 15_000),
        of_message("a message that ends otherwise than what is read of it", 100_000),
    ]
}

/// A commit whose message is all that its policy asks for, but for the last character.
fn of_message(title: &'static str, length: usize) -> Case {
    Case::refused("M4", title, &["policy.require"]).attack(move |ground| {
        bind(ground, "require: { ticket: \"^(a+)+$\" }");
        ground.overlay("one.conf", "poison\n");
        ground.revision = Some(ground.repo.land(&format!("{}!", "a".repeat(length))));
    })
}

/// M4: what can be seen to be wrong is refused with the configuration.
fn refused_at_once() -> Vec<Case> {
    let deny = |when: &str| format!("deny: {{ when: \"{when}\", message: no }}");
    let steps = "plan.steps";
    [
        ("a rule about what nobody knows", deny("plam.deletes > 0"), "config.expression"),
        (
            "three loops inside one another",
            deny(&format!("{steps}.all(a, {steps}.all(b, {steps}.all(c, true)))")),
            "config.expression",
        ),
        ("a rule of 5 KiB", deny(&("true || ".repeat(700) + "true")), "config.expression"),
        ("a pattern that grows without bounds", "require: { ticket: \"((a{99}){99}){99}\" }".into(), "config.pattern"),
        ("a pattern that is made up as it runs", deny("'x'.matches(plan.id)"), "config.expression"),
    ]
    .map(|(title, rule, code)| Case::new("M4", title, Expect::Config(code)).attack(move |ground| bind(ground, &rule)))
    .into()
}

/// M8: the contents of a repository lie on this disk, fetched with a password that another one does not have.
fn of_others() -> Vec<Case> {
    let owned = |ground: &mut Ground| {
        let (url, tls) = guarded(ground);
        let (name, good) = (&ground.name, file(ground, "good", "S3CRET-good"));
        ground.spec.more = format!(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: Repository\nmetadata: {{ name: {name}-owner }}\n\
             spec: {{ url: {url}, {tls}, credentials: {{ username: git, file: {good} }}, branch: main }}\n\
             ---\napiVersion: trueup.dev/v1alpha1\nkind: Application\nmetadata: {{ name: {name}-owner }}\n\
             spec: {{ source: {{ repository: {name}-owner, path: owner }}, target: {name} }}\n"
        );
        ground.repo.write(&format!("owner/root/srv/{name}/owned"), "x\n").land("what is the owner's");
    };
    vec![
        Case::refused("M8", "a repository that another one fetched", &["source.unauthorised"])
            .before(owned)
            .attack(|ground| (ground.spec.url, ground.spec.repository) = guarded(ground)),
        Case::refused("M8", "a repository that this one fetched, with another password", &["source.unauthorised"])
            .before(|ground| {
                let (url, tls) = guarded(ground);
                ground.spec.url = url;
                let good = file(ground, "good", "S3CRET-good");
                ground.spec.repository = format!("{tls}\ncredentials: {{ username: git, file: {good} }}");
            })
            .attack(|ground| {
                let wrong = file(ground, "wrong", "S3CRET-wrong");
                let good = file(ground, "good", "S3CRET-good");
                ground.spec.repository = ground.spec.repository.replace(&good, &wrong);
            }),
    ]
}

/// M10: what was open is not any more.
fn revoked() -> Vec<Case> {
    [
        ("credentials that were revoked", 401, &["source.unauthorised"]),
        ("a repository that was forbidden", 403, &["source.unauthorised"]),
        ("a repository that turned private, as its server tells it", 404, &["source.not-found"]),
    ]
    .map(|(title, status, codes)| {
        Case::refused("M10", title, codes).attack(move |ground| {
            ground.faults.lock().expect("nobody panicked with it").insert(ground.name.clone(), Fault::Status(status));
            ground.overlay("one.conf", "poison\n");
            ground.repo.land("what nobody may see here any more");
        })
    })
    .into()
}

/// Declares a policy that binds the ground's application alone.
fn bind(ground: &mut Ground, rule: &str) {
    let name = &ground.name;
    ground.spec.more = format!(
        "---\napiVersion: trueup.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: {name} }}\n\
         spec: {{ match: {{ applications: [{name}] }}, {rule} }}\n"
    );
}

/// Serves the ground's repository to whoever has the password, and returns its address and whom to trust there.
fn guarded(ground: &mut Ground) -> (String, String) {
    let authority = Authority::new(&ground.folder(), "guard");
    let root = ground.repo.bare();
    let root = root.parent().expect("it lies in a folder");
    let login = Some(("git", "S3CRET-good"));
    let server = HttpServer::with(root, Options { login, authority: Some(&authority), ..Options::default() });
    let url = server.url(ground.repo.name());
    ground.keep.push(Box::new(server));
    (url, format!("tls: {{ ca: {} }}", quoted(authority.file())))
}

fn file(ground: &Ground, name: &str, secret: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let file = ground.folder().join(name);
    std::fs::write(&file, secret).expect("a secret can be written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its mode can be set");
    quoted(&file)
}
