//! The commands that need no daemon.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Exit;
use super::args::{Check, Global, Render};
use super::screen::{self, Screen};
use super::show::{mistakes, printable};
use super::trouble::Trouble;
use crate::config::{Config, SourceLimits};
use crate::model::{Complete, Mistake, Spec};
use crate::render::{self, Folder, MemoryCache, RenderError, Request};
use crate::source::{self, Tree};

/// Says whether files are right, each by itself; every mistake of all of them at once.
pub(super) fn check(args: &Check, global: &Global, screen: Screen) -> Result<Exit, Trouble> {
    if let Some(folder) = &args.declarations {
        return declarations(folder, global, screen);
    }
    let files = if args.files.is_empty() { std::slice::from_ref(&global.config) } else { &args.files };
    let (mut all, mut sums) = (Vec::new(), Vec::new());
    for file in files {
        match Config::load(file) {
            Ok(loaded) => {
                all.extend(source::mistakes(&loaded.config));
                sums.push(format!("{}: ok, {}\n", printable(&file.display().to_string()), sum(&loaded.config)));
            }
            Err(mistakes) => all.extend(mistakes),
        }
    }
    if !all.is_empty() {
        return told(&all, screen);
    }
    if screen.json {
        screen::json(&all)?;
    } else {
        screen.text(&sums.concat())?;
    }
    Ok(Exit::Done)
}

/// Says whether a folder would be taken for what Git declares on this machine.
fn declarations(folder: &Path, global: &Global, screen: Screen) -> Result<Exit, Trouble> {
    let machine = match Config::load(&global.config) {
        Ok(loaded) => loaded.config,
        Err(mistakes) => return told(&mistakes, screen),
    };
    if machine.daemon.declarations.is_none() {
        let trouble =
            Trouble::new(format!("{} takes nothing from Git", printable(&global.config.display().to_string())));
        return Err(trouble.hint("say where it lies in the Daemon document: declarations: { repository: …, path: … }"));
    }
    match rendered(&[folder.to_owned()], |request| render::declarations(request, &machine))? {
        Ok(complete) => {
            if screen.json {
                screen::json(&Vec::<Mistake>::new())?;
            } else {
                let count = complete.objects.len();
                let documents = if count == 1 { "document" } else { "documents" };
                screen.text(&format!("{}: ok, {count} {documents}\n", printable(&folder.display().to_string())))?;
            }
            Ok(Exit::Done)
        }
        Err(RenderError::Mistakes(all)) => told(&all, screen),
        Err(error) => Err(Trouble::chain(&error)),
    }
}

fn sum(config: &Config) -> String {
    let count = |number: usize, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
    let repositories = count(config.repositories.len(), "repository", "repositories");
    if config.access.is_some() && config.repositories.is_empty() {
        return "what the root half may do".into();
    }
    let targets = count(config.targets.len(), "target", "targets");
    format!("{repositories}, {targets}, {}", count(config.applications.len(), "application", "applications"))
}

/// Prints what folders render to, later ones laid over earlier ones.
pub(super) fn render(args: &Render, screen: Screen) -> Result<Exit, Trouble> {
    match rendered(&args.paths, render::host)? {
        Ok(complete) if screen.json => screen::json(&complete.objects.values().map(Spec::body).collect::<Vec<_>>())?,
        Ok(complete) => screen.text(&render::to_yaml(&complete))?,
        Err(RenderError::Mistakes(all)) => return told(&all, screen),
        Err(error) => return Err(Trouble::chain(&error)),
    }
    Ok(Exit::Done)
}

/// Renders folders, later ones laid over earlier ones.
fn rendered(
    paths: &[PathBuf],
    how: impl FnOnce(&Request<'_>) -> Result<Complete, RenderError>,
) -> Result<Result<Complete, RenderError>, Trouble> {
    let limits = SourceLimits::default();
    let paths: Vec<PathBuf> = paths.iter().map(|path| whole(path)).collect::<Result<_, _>>()?;
    let root = root_of(&paths);
    let tree: Arc<dyn Tree> = Arc::new(Folder::open(&root, &limits).map_err(|error| Trouble::chain(&error))?);
    let layers: Vec<String> = paths.iter().map(|path| layer(&root, path)).collect::<Result<_, _>>()?;
    let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
    let cache = MemoryCache::new(limits.files);
    Ok(how(&Request { tree: &tree, layers: &layers, limits: &limits, cache: &cache, keys: render::Keys::Sealed }))
}

/// Prints mistakes as data, and how many there are beside it.
fn told(all: &[Mistake], screen: Screen) -> Result<Exit, Trouble> {
    if screen.json {
        screen::json(&all)?;
    } else {
        screen.text(&mistakes(all))?;
    }
    screen.say(&format!("{} {}", all.len(), if all.len() == 1 { "mistake" } else { "mistakes" }));
    Ok(Exit::Trouble)
}

fn whole(path: &Path) -> Result<PathBuf, Trouble> {
    let shown = path.display().to_string();
    path.canonicalize().map_err(|error| Trouble::new(format!("could not read {}: {error}", printable(&shown))))
}

/// Returns the folder that stands for the repository: the checkout that holds all paths, so that links inside it resolve as
/// they will for the daemon; else the nearest folder above them all.
fn root_of(paths: &[PathBuf]) -> PathBuf {
    let above = |folder: &Path| paths.iter().all(|path| path.starts_with(folder));
    let Some(first) = paths.first() else { return PathBuf::from("/") };
    let mut folders = first.ancestors().filter(|folder| above(folder));
    let nearest = folders.next().unwrap_or(Path::new("/"));
    let checkout = nearest.ancestors().find(|folder| folder.join(".git").exists());
    checkout.unwrap_or(nearest).to_owned()
}

fn layer(root: &Path, path: &Path) -> Result<String, Trouble> {
    let inside = path.strip_prefix(root).unwrap_or(path).to_str();
    let inside = inside.ok_or_else(|| Trouble::new("a path of a repository is UTF-8"))?;
    Ok(if inside.is_empty() { ".".into() } else { inside.to_owned() })
}
