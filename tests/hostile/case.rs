//! What a case is: data. The runner does the same with each.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::world::{Fault, Repo, Snapshot, clean, must};

type Act = Box<dyn Fn(&mut Ground)>;
type Look = Box<dyn Fn(&Ground)>;

/// One hostile input, and what must come of it.
pub(crate) struct Case {
    /// As in the list of hostile inputs.
    pub(crate) id: &'static str,
    pub(crate) title: String,
    pub(crate) expect: Expect,
    /// From the beginning of the sync to its end.
    pub(crate) deadline: Duration,
    /// The attack acts on the live state itself: what it left there is what must stay.
    pub(crate) on_host: bool,
    /// Git itself asks for deletes before the step that fails; they are taken back.
    pub(crate) taken_back: bool,
    /// A live file that the attack goes on changing.
    pub(crate) edits: Option<&'static str>,
    /// What is declared in Git is attacked, not the application.
    pub(crate) on_declarations: bool,
    /// Sets the scene, before the first good revision is live.
    pub(crate) before: Act,
    pub(crate) attack: Act,
}

/// What must come of it.
pub(crate) enum Expect {
    /// A sync ends with one of these codes, and nothing live changes.
    Code(&'static [&'static str]),
    /// It has no power: the sync ends well, and what is live then is looked at.
    Powerless(Look),
    /// It ends with this code once, and the next sync has mended it.
    Mended(&'static str),
    /// The configuration is refused before it is used.
    Config(&'static str),
}

/// Where a case takes place: a repository of its own, a part of the host of its own, in a daemon that others use too.
pub(crate) struct Ground {
    /// The name of its repository, target and application.
    pub(crate) name: String,
    pub(crate) repo: Repo,
    /// The world's folder.
    pub(crate) world: PathBuf,
    pub(crate) spec: Spec,
    /// The commit that holds the poison, where it came to a commit.
    pub(crate) revision: Option<String>,
    /// What goes wrong with requests for this repository at the world's own server.
    pub(crate) faults: Faults,
    /// Servers that must live as long as the daemon.
    pub(crate) keep: Vec<Box<dyn Any>>,
}

pub(crate) type Faults = Arc<Mutex<BTreeMap<String, Fault>>>;

/// What the configuration says of it.
#[derive(Clone, PartialEq)]
pub(crate) struct Spec {
    pub(crate) url: String,
    pub(crate) follow: String,
    /// More lines of the Repository's `spec`.
    pub(crate) repository: String,
    /// More lines of the Target's `host`.
    pub(crate) host: String,
    /// Lines of the Application's `sync`.
    pub(crate) sync: String,
    /// Its repository is the one that declares applications in Git, with these lines; it is one of them. One of a daemon.
    pub(crate) declares: Option<String>,
    /// Documents beside its own, each after its `---`.
    pub(crate) more: String,
}

impl Case {
    pub(crate) fn new(id: &'static str, title: impl Into<String>, expect: Expect) -> Self {
        Self {
            id,
            title: title.into(),
            expect,
            deadline: Duration::from_secs(20),
            on_host: false,
            edits: None,
            taken_back: false,
            on_declarations: false,
            before: Box::new(|_| ()),
            attack: Box::new(|_| ()),
        }
    }

    /// Returns one that must be refused with one of these codes.
    pub(crate) fn refused(id: &'static str, title: impl Into<String>, codes: &'static [&'static str]) -> Self {
        Self::new(id, title, Expect::Code(codes))
    }

    /// Returns one that must have no power; `look` says what is live then.
    pub(crate) fn powerless(id: &'static str, title: impl Into<String>, look: impl Fn(&Ground) + 'static) -> Self {
        Self::new(id, title, Expect::Powerless(Box::new(look)))
    }

    pub(crate) fn before(mut self, act: impl Fn(&mut Ground) + 'static) -> Self {
        self.before = Box::new(act);
        self
    }

    pub(crate) fn attack(mut self, act: impl Fn(&mut Ground) + 'static) -> Self {
        self.attack = Box::new(act);
        self
    }

    /// The attack is a commit on top of the good one, with what `write` puts into the clone.
    pub(crate) fn commit(self, write: impl Fn(&Ground) + 'static) -> Self {
        self.attack(move |ground| {
            write(ground);
            ground.land();
        })
    }

    pub(crate) fn within(mut self, seconds: u64) -> Self {
        self.deadline = Duration::from_secs(seconds);
        self
    }

    pub(crate) fn edits(mut self, path: &'static str) -> Self {
        self.edits = Some(path);
        self
    }

    pub(crate) fn on_declarations(mut self) -> Self {
        self.on_declarations = true;
        self
    }

    /// Returns the application that is attacked.
    pub(crate) fn about(&self, ground: &Ground) -> String {
        if self.on_declarations { "declarations".to_owned() } else { ground.name.clone() }
    }

    pub(crate) fn taken_back(mut self) -> Self {
        self.taken_back = true;
        self
    }

    pub(crate) fn on_host(mut self) -> Self {
        self.on_host = true;
        self
    }

    /// Returns all that is live on its ground and must stay as it is.
    pub(crate) fn snapshot(&self, ground: &Ground) -> Snapshot {
        let snapshot = Snapshot::of(&ground.live(""));
        match self.edits {
            // The daemon tries again by itself, and may be in the middle of it.
            Some(edited) => snapshot.settled(|path| path == edited || path.contains(".trueup-")),
            // The folder of a file that could not be written had a temporary one in it for a moment.
            None if self.on_host => snapshot.settled(|_| false),
            None => snapshot,
        }
    }
}

impl Ground {
    /// Returns where the path `/srv/NAME/PATH` of the target lies.
    pub(crate) fn live(&self, path: &str) -> PathBuf {
        self.world.join("root/srv").join(&self.name).join(path)
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.live(path)).unwrap_or_else(|error| panic!("{path} is not live: {error}"))
    }

    /// Writes a file of the overlay.
    pub(crate) fn overlay(&self, path: &str, content: impl AsRef<[u8]>) {
        self.repo.write(&format!("app/root/srv/{}/{path}", self.name), content);
    }

    /// Returns a document for `/srv/NAME/PATH`.
    pub(crate) fn document(&self, kind: &str, path: &str, spec: &str) -> String {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/srv/{}/{path}", self.name) };
        let path = serde_json::Value::from(path);
        format!("apiVersion: host.trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {path} }}\nspec: {spec}\n")
    }

    /// Lands the first good revision: two files by the overlay, one by a document.
    pub(crate) fn good(&self) {
        self.overlay("one.conf", "one\n");
        self.overlay("two.conf", "two\n");
        self.repo.write("app/three.yaml", self.document("File", "three.conf", "{ content: \"three\\n\" }"));
        self.repo.land("good");
    }

    /// Commits and pushes what is in the clone: this is the poison.
    pub(crate) fn land(&mut self) {
        self.revision = Some(self.repo.land("poison"));
    }

    /// Points the branch at a commit whose folder `app` is this tree.
    pub(crate) fn land_app(&mut self, tree: &str) {
        let root = self.repo.raw_tree(&[("40000", b"app", tree)]);
        self.revision = Some(self.repo.land_tree("main", &root));
    }

    /// Lands a file of the application's folder with this name and mode, as raw as they are.
    pub(crate) fn land_entry(&mut self, mode: &str, name: &[u8]) {
        let id = self.repo.raw_object("blob", b"poison");
        let id = if mode == "160000" { self.repo.head() } else { id };
        let tree = self.repo.raw_tree(&[(mode, name, &id)]);
        self.land_app(&tree);
    }

    /// Gives the bare repository what a stream of `git fast-import` says.
    pub(crate) fn import(&self, stream: &str) {
        let file = self.folder().join("import");
        std::fs::write(&file, stream).expect("a file can be written");
        let mut command = clean("git", &self.folder());
        command.args(["fast-import", "--quiet", "--force", "--depth=4000"]).current_dir(self.repo.bare());
        command.stdin(std::fs::File::open(file).expect("it was written"));
        must(&mut command);
    }

    /// Returns the documents that declare it.
    pub(crate) fn documents(&self) -> String {
        let Self { name, spec, .. } = self;
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let root = text(&self.world.join("root").display().to_string());
        let repository = lines(&format!("url: {}\n{}\npoll: 1h\n{}", text(&spec.url), spec.follow, spec.repository), 2);
        // Who says where it may write, says it alone.
        let allow = if spec.host.contains("allow:") { String::new() } else { format!("allow: [/srv/{name}]\n") };
        let host = lines(&format!("root: {root}\n{allow}{}", spec.host), 4);
        let sync = if spec.sync.is_empty() { String::new() } else { format!("  sync:\n{}", lines(&spec.sync, 4)) };
        let head = |kind: &str| {
            format!("---\napiVersion: trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec:\n")
        };
        let application =
            format!("{}  source: {{ repository: {name}, path: app }}\n  target: {name}\n{sync}", head("Application"));
        let application = if spec.declares.is_some() { String::new() } else { application };
        let (of_repository, of_target) = (head("Repository"), head("Target"));
        format!("{of_repository}{repository}{of_target}  host:\n{host}{application}{}", spec.more)
    }

    /// Returns what the daemon's own document says of it.
    pub(crate) fn daemon(&self) -> Option<String> {
        let lines = lines(self.spec.declares.as_ref()?, 2);
        Some(format!("declarations:\n  repository: {}\n  path: trueup\n{lines}", self.name))
    }

    /// Declares an application in Git, by its name and paths.
    pub(crate) fn declared(&self, name: &str, path: &str) {
        let target = &self.name;
        let text = format!(
            "apiVersion: trueup.dev/v1alpha1\nkind: Application\nmetadata: {{ name: {name} }}\n\
             spec: {{ source: {{ repository: {target}, path: {path} }}, target: {target} }}\n"
        );
        self.repo.write(&format!("trueup/{name}.yaml"), text);
    }

    pub(crate) fn folder(&self) -> PathBuf {
        let folder = self.world.join("parts").join(&self.name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        folder
    }
}

impl Spec {
    pub(crate) fn new(url: String) -> Self {
        let none = String::new;
        Self {
            url,
            follow: "branch: main".into(),
            repository: none(),
            host: none(),
            sync: none(),
            declares: None,
            more: none(),
        }
    }
}

fn lines(text: &str, indent: usize) -> String {
    let indented = text.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("{:indent$}{line}\n", ""));
    indented.collect()
}

/// Returns a path as YAML.
pub(crate) fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.display().to_string()).to_string()
}
