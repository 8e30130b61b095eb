//! Rings when something may have changed. A hint: what is lost here, the interval finds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::blocking;
use super::paths::Roots;
use super::stage::is_temporary;
use crate::model::ObjectId;
use crate::model::host::PATH;
use crate::target::{Bell, Call, Interest, TargetError};

/// A burst of changes rings once.
const COALESCED: Duration = Duration::from_millis(50);

/// Events that may wait to be read; when more come, everything is rung for.
const WAITING: usize = 1024;

/// Everything that a target's one watcher looks at.
struct Watched {
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
    /// The objects by where they lie.
    objects: BTreeMap<PathBuf, ObjectId>,
}

enum Told {
    Changed(Vec<PathBuf>),
    /// The kernel, or we, dropped some.
    Lost,
}

/// What a burst of events comes to.
struct Rung {
    ids: Vec<ObjectId>,
    /// A folder may have come, gone or been replaced.
    folders: bool,
}

pub(super) async fn watch(roots: &Roots, call: &Call, mut interest: Interest, bell: Bell) -> Result<(), TargetError> {
    let (sender, mut events) = mpsc::channel(WAITING);
    let lost = Arc::new(tokio::sync::Notify::new());
    let mut watched = Watched::new(sender, Arc::clone(&lost))?;
    let mut news = watched.follow(roots, &interest.borrow_and_update().clone())?;
    loop {
        // Whatever happened between their last sync and now, nobody saw.
        if !news.is_empty() && !ring(&bell, std::mem::take(&mut news), call).await {
            return Ok(());
        }
        // Every arm is cancel-safe: an event or a change of interest is taken only by the arm that completes.
        let told = tokio::select! {
            () = call.cancel.cancelled() => return Ok(()),
            changed = interest.changed() => match changed {
                Ok(()) => {
                    let now = interest.borrow_and_update().clone();
                    news = watched.follow(roots, &now)?;
                    continue;
                }
                Err(_) => return Ok(()),
            },
            () = lost.notified() => Told::Lost,
            event = events.recv() => match event {
                Some(paths) => Told::Changed(paths),
                None => Told::Lost,
            },
        };
        tokio::select! {
            () = tokio::time::sleep(COALESCED) => {}
            () = call.cancel.cancelled() => return Ok(()),
        }
        let Rung { ids: rung, folders } = watched.rung(told, &mut events);
        if folders {
            let now = interest.borrow().clone();
            news = watched.follow(roots, &now)?;
        }
        if !rung.is_empty() && !ring(&bell, rung, call).await {
            return Ok(());
        }
    }
}

/// Rings, and returns whether anyone is there to hear it.
async fn ring(bell: &Bell, ids: Vec<ObjectId>, call: &Call) -> bool {
    tokio::select! {
        sent = bell.send(ids) => sent.is_ok(),
        () = call.cancel.cancelled() => false,
    }
}

impl Watched {
    fn new(sender: mpsc::Sender<Vec<PathBuf>>, lost: Arc<tokio::sync::Notify>) -> Result<Self, TargetError> {
        let handler = move |event: notify::Result<Event>| match event {
            Ok(event) if event.need_rescan() => lost.notify_one(),
            // Our own reads, and everyone else's, change nothing: ringing for them would never end.
            Ok(event) if !changes(event.kind) => {}
            Ok(event) => {
                if sender.try_send(event.paths).is_err() {
                    lost.notify_one();
                }
            }
            Err(_) => lost.notify_one(),
        };
        let watcher = notify::recommended_watcher(handler).map_err(|error| unavailable("start watching", error))?;
        Ok(Self { watcher, folders: BTreeSet::new(), objects: BTreeMap::new() })
    }

    /// Watches the folders of `interest`, and, of a folder that is not there, the nearest one above it. Only the difference
    /// to what is watched already is added and removed. Returns the objects that were not watched before.
    fn follow(&mut self, roots: &Roots, interest: &[ObjectId]) -> Result<Vec<ObjectId>, TargetError> {
        let allowed = interest.iter().filter(|id| id.kind == PATH && roots.locate(&id.name).is_ok());
        let objects = allowed.map(|id| (roots.real(&id.name), id.clone())).collect();
        let before = std::mem::replace(&mut self.objects, objects);
        let news =
            self.objects.iter().filter(|(path, _)| !before.contains_key(*path)).map(|(_, id)| id.clone()).collect();
        let folders: BTreeSet<_> = self.objects.keys().filter_map(|path| path.parent()).collect();
        let wanted: BTreeSet<_> =
            blocking(|| folders.into_iter().filter_map(|folder| nearest(roots.prefix(), folder)).collect());
        for gone in self.folders.difference(&wanted) {
            // It may be gone, and its watch with it.
            let _ = self.watcher.unwatch(gone);
        }
        self.folders.retain(|folder| wanted.contains(folder));
        for new in wanted {
            if self.folders.contains(&new) {
                continue;
            }
            match self.watcher.watch(&new, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.folders.insert(new)),
                // Gone again since we looked, or not ours to read: the interval finds it.
                Err(error) if !is_limit(&error) => {}
                Err(error) => return Err(unavailable(&format!("watch {}", new.display()), error)),
            }
        }
        Ok(news)
    }

    /// Returns the objects that a burst of events may be about.
    fn rung(&mut self, first: Told, events: &mut mpsc::Receiver<Vec<PathBuf>>) -> Rung {
        let Told::Changed(mut paths) = first else {
            while events.try_recv().is_ok() {}
            return Rung { ids: self.objects.values().cloned().collect(), folders: true };
        };
        while let Ok(more) = events.try_recv() {
            paths.extend(more);
        }
        let (mut rung, mut folders) = (BTreeSet::new(), false);
        for path in paths {
            if path.file_name().and_then(|name| name.to_str()).is_some_and(is_temporary) {
                continue;
            }
            // The watch of a folder that was removed or renamed ends: it has to be added again.
            if self.folders.contains(&path) {
                let _ = self.watcher.unwatch(&path);
                self.folders.remove(&path);
                folders = true;
            }
            // The object itself, or everything below a folder that came or went.
            let below = self.objects.range(path.clone()..).take_while(|(object, _)| object.starts_with(&path));
            for (object, id) in below {
                folders |= object != &path;
                rung.insert(id.clone());
            }
        }
        Rung { ids: rung.into_iter().collect(), folders }
    }
}

fn changes(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

fn nearest(prefix: &Path, folder: &Path) -> Option<PathBuf> {
    let within = folder.ancestors().take_while(|above| above.starts_with(prefix));
    within.into_iter().find(|above| above.is_dir()).map(Path::to_path_buf)
}

fn is_limit(error: &notify::Error) -> bool {
    use rustix::io::Errno;
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => true,
        notify::ErrorKind::Io(error) => {
            let code = error.raw_os_error();
            [Errno::NOSPC, Errno::MFILE, Errno::NFILE].iter().any(|limit| code == Some(limit.raw_os_error()))
        }
        _ => false,
    }
}

fn unavailable(doing: &str, error: notify::Error) -> TargetError {
    TargetError::Unavailable { doing: format!("could not {doing}"), source: Some(error.into()) }
}
