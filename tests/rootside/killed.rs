//! The program itself, killed before and after each of its durable calls, and started again as systemd would.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use trueup::target::protocol::{Remote, Socket};

use crate::bed::{self, Adapter, acts};
use crate::faults::{Fault, Faults};
use crate::host::Host;
use crate::rootside::declared;

/// A root half that is started again whenever it was killed.
struct Supervised {
    killed: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
    child: Arc<Mutex<Child>>,
    watching: Option<JoinHandle<()>>,
}

fn start(config: &Path, socket: &Path, environment: Vec<(String, String)>) -> Child {
    Command::new(env!("CARGO_BIN_EXE_trueup"))
        .args(["host", "--config"])
        .arg(config)
        .arg("--socket")
        .arg(socket)
        .envs(environment)
        .env_remove("NOTIFY_SOCKET")
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Supervised {
    fn start(config: PathBuf, socket: PathBuf, environment: Vec<(String, String)>) -> Self {
        let child = Arc::new(Mutex::new(start(&config, &socket, environment)));
        let (killed, stopping) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let watching = std::thread::spawn({
            let (killed, stopping, child) = (killed.clone(), stopping.clone(), child.clone());
            move || {
                loop {
                    let ended = child.lock().unwrap().try_wait().unwrap();
                    if let Some(status) = ended {
                        if stopping.load(Ordering::SeqCst) {
                            return;
                        }
                        assert_eq!(status.signal(), Some(9), "it ended by itself: {status}");
                        killed.store(true, Ordering::SeqCst);
                        *child.lock().unwrap() = start(&config, &socket, vec![]);
                    }
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
            }
        });
        Self { killed, stopping, child, watching: Some(watching) }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = self.child.lock().unwrap().kill();
        self.watching.take().unwrap().join().unwrap();
    }
}

/// What lies below the target's root, without what differs from run to run.
fn live(host: &Host) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let root = host.real("/");
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let content = match meta.file_type() {
                kind if kind.is_dir() => {
                    folders.push(path.clone());
                    vec![]
                }
                kind if kind.is_symlink() => fs::read_link(&path).unwrap().to_string_lossy().into_owned().into_bytes(),
                _ => fs::read(&path).unwrap(),
            };
            found.insert(path.strip_prefix(&root).unwrap().display().to_string(), (meta.mode(), content));
        }
    }
    found
}

/// Carries out two plans over a root half with this fault, and returns what is live then, how often commands ran, and whether
/// the fault came.
async fn carried_out(fault: Fault) -> (BTreeMap<String, (u32, Vec<u8>)>, usize, bool, usize) {
    let host = Host::new();
    let scratch = host.scratch.path().to_owned();
    fs::set_permissions(&scratch, fs::Permissions::from_mode(0o700)).unwrap();
    let (config, socket) = (scratch.join("host.yaml"), scratch.join("host.sock"));
    let commands = [scratch.join("noted"), "/bin/sh".into()];
    let text = format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: HostAccess\nmetadata: {{ name: here }}\nspec:\n  allow: [/etc/app]\n  \
         commands: [{}, {}]\n  data: {}\n  root: {}\n",
        commands[0].display(),
        commands[1].display(),
        scratch.join("data").display(),
        scratch.join("root").display(),
    );
    fs::write(&config, text).unwrap();
    let faults = Faults::new(&scratch.join("faults"), fault);
    let half = Supervised::start(config, socket.clone(), faults.environment());
    let configuration = serde_json::to_value(declared(&host)).unwrap();
    let remote = Remote::new(Box::new(Socket(socket)), configuration);
    let owned = bed::sync_target(&remote, &host.desired(), &bed::owned()).await;
    let owned = bed::sync_target(&remote, &host.changed(), &owned).await;
    let left = trueup::target::Target::preview(&remote, &bed::call(), &host.changed(), &owned).await.unwrap();
    assert_eq!(acts(&left), Vec::<String>::new(), "{fault:?}");
    (live(&host), host.runs(), half.killed.load(Ordering::SeqCst), faults.calls().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_durable_call_it_comes_to_the_same_end() {
    if !rustix::process::geteuid().is_root() {
        crate::parts::skip("the allow-list has to belong to root");
        return;
    }
    let (expected, runs, killed, calls) = carried_out(Fault::None).await;
    assert!(!killed && calls > 20 && runs > 0, "{calls} durable calls, {runs} runs");
    for fault in [Fault::KillBefore as fn(usize) -> Fault, Fault::KillAfter] {
        for number in 1..=calls {
            let (live, ran, killed, _) = carried_out(fault(number)).await;
            assert!(killed, "{:?}", fault(number));
            assert_eq!(live, expected, "{:?}", fault(number));
            // At least once: what ran when it was killed may run again, and nothing else does.
            assert!(ran == runs || ran == runs + 1, "{:?}: {ran} runs, not {runs}", fault(number));
        }
    }
    println!("{calls} durable calls, killed before and after each of them: the same end every time");
}
