//! What a package carries beside the program: completions and man pages, made from the one description of the commands.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;
use super::trouble::Trouble;
use super::{Exit, screen};

/// Prints the completions of a shell.
pub(super) fn completions(shell: Shell) -> Result<Exit, Trouble> {
    let mut text = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "trueup", &mut text);
    screen::raw(&text)?;
    Ok(Exit::Done)
}

/// Writes the man pages into a folder that exists: one for the program, and one for each command.
pub(super) fn man(folder: &Path) -> Result<Exit, Trouble> {
    let failed = |error: std::io::Error| {
        Trouble::new(format!("could not write the man pages into {}: {error}", folder.display()))
            .hint("name a folder that exists and can be written")
    };
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
    Ok(Exit::Done)
}
