use crate::model::ObjectId;
use crate::model::host::{HANDLER, HostSpec, PATH, Probe, UNIT, UnitHealth, Verb, signal};
use crate::render::testing::{document, mistakes, render, tree};

#[test]
fn every_mistake_of_every_file_comes_at_once_with_its_place() {
    let first = [
        document("File", "/a", "{ sorce: x, mode: 0644 }"),
        document("Unit", "nginx", "{ masked: true, state: running, probe: { tcp: x } }"),
        document("Unit", "a@.service", "{ state: running }"),
        document("Unit", "'a@$(id).service'", "{ probe: {} }"),
        document("Fle", "/a", "{}"),
        document("File", "etc/x", "{ content: a, source: b }"),
        document(
            "Directory",
            "/d/",
            "{ onChange: [{ reload: ../x.service }, { restart: a@.service, }, {}, { run: [] }, { run: ['nginx -t'] }] }",
        ),
    ]
    .join("---\n");
    let second = document("Symlink", "/l", "").replace("spec: ", "")
        + "---\n"
        + &document("Check", "No Name", "{ command: [./x], timeout: 1500ms }")
        + "---\n{ apiVersion: apps/v1, kind: Deployment }\n---\n- 1\n"
        + &("---\n".to_owned() + &document("File", "/s", "{ source: site.cnf }"));
    let found = mistakes(tree(&[("l/1.yaml", &first), ("l/sub/2.yaml", &second), ("l/sub/site.conf", "")]), &["l"]);
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    let text = found.join("\n");
    let expected = include_str!("../golden/mistakes.txt");
    bless("mistakes.txt", &text);
    assert_eq!(text, expected.trim_end());
}

#[test]
fn handlers_are_objects_of_their_own_and_each_is_one() {
    let file = |name: &str| {
        document("File", name, "{ content: a, onChange: [{ run: [b, x y] }, { run: [a] }, { run: [a] }] }")
    };
    let link = document("Symlink", "/3", "{ to: x, onChange: [{ run: [a] }] }");
    let complete = render(tree(&[("l/d.yaml", &[file("/1"), file("/2"), link].join("---\n"))]), &["l"]).unwrap();
    let handlers: Vec<_> = complete.objects.keys().filter(|id| id.kind == HANDLER).map(|id| &*id.name).collect();
    assert_eq!(handlers, ["a", "b 'x y'"]);
    let HostSpec::File(file) = HostSpec::from_spec(&complete.objects[&ObjectId::new(PATH, "/2")]).unwrap() else {
        panic!("a file")
    };
    assert_eq!(file.attributes.calls, [ObjectId::new(HANDLER, "a"), ObjectId::new(HANDLER, "b 'x y'")]);
    assert_eq!(&*complete.contents.read(&file.content).unwrap(), b"a");
    assert!(complete.objects.keys().all(|id| id.kind != HANDLER || complete.objects[id].place().line == 1));
}

#[test]
fn nothing_below_root_or_files_is_read_as_a_document() {
    let no = "not: a document";
    let files = [("l/files/a.yaml", no), ("l/x/files/y/b.yml", no), ("l/root/etc/c.yaml", no), ("l/d.yaml.j2", no)];
    let complete = render(tree(&files), &["l"]).unwrap();
    assert_eq!(complete.objects.keys().map(|id| &*id.name).collect::<Vec<_>>(), ["/etc/c.yaml"]);
    assert_eq!(mistakes(tree(&[("l/x/root/c.yaml", no)]), &["l"]).len(), 1);
}

#[test]
fn units_are_objects_and_what_reloads_them_knows_when_they_are_well() {
    let unit =
        document("Unit", "nginx.service", "{ enabled: true, state: running, settle: 500ms, probe: { tcp: 'a:1' } }");
    let file = |name: &str| {
        let calls = "onChange: [{ reload: nginx.service }, { restart: other.service }, { reload: nginx.service }]";
        document("File", name, &format!("{{ content: a, {calls} }}"))
    };
    let complete = render(tree(&[("l/d.yaml", &[unit, file("/1"), file("/2")].join("---\n"))]), &["l"]).unwrap();
    let parsed = |id: &ObjectId| HostSpec::from_spec(&complete.objects[id]).unwrap();
    let HostSpec::Unit(unit) = parsed(&ObjectId::new(UNIT, "nginx.service")) else { panic!("a unit") };
    assert_eq!((unit.enabled, unit.running, unit.masked), (Some(true), Some(true), None));
    let expected = UnitHealth { settle: 500, timeout: 90, probe: Some(Probe::Tcp("a:1".into())) };
    assert_eq!(unit.health, expected);
    let HostSpec::Signal(reload) = parsed(&signal(Verb::Reload, "nginx.service")) else { panic!("a signal") };
    assert_eq!(reload.health, expected);
    let HostSpec::Signal(restart) = parsed(&signal(Verb::Restart, "other.service")) else { panic!("a signal") };
    assert_eq!(restart.health, UnitHealth::default());
    assert_eq!(complete.objects.len(), 5);
}

/// Writes what a golden file should be, where a person asks for it.
pub(super) fn bless(name: &str, text: &str) {
    if std::env::var_os("TRUEUP_BLESS").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/render/golden").join(name);
        std::fs::write(path, format!("{}\n", text.trim_end())).unwrap();
    }
}
