use super::super::Exit;
use super::super::args::Global;
use super::super::screen::Screen;
use super::super::trouble::Trouble;
use crate::audit::Acceptance;
use crate::config::Config;

/// Leaves a person's word for the next start. The daemon does not run: it refused to.
pub(in crate::cli) fn accept(reason: &str, global: &Global, screen: Screen) -> Result<Exit, Trouble> {
    if reason.trim().is_empty() {
        return Err(Trouble::new("a reason is needed: it is all that whoever finds the gap later will have"));
    }
    let loaded = Config::load(&global.config).map_err(|all| Trouble::mistakes(&all))?;
    let data = loaded.config.daemon.data;
    let by = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "somebody".into());
    let left = Acceptance { reason: reason.to_owned(), by }.leave(&data);
    left.map_err(|error| {
        Trouble::new(format!("could not leave it in {}: {error}", super::shown(&data)))
            .hint("act as root, or as the daemon's own user")
    })?;
    screen.say(&format!("the next start goes on from the trail as it is in {}, under a new name", super::shown(&data)));
    Ok(Exit::Done)
}
