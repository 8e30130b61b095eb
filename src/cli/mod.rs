//! The commands: what people type, and what they see.

mod args;
mod ask;
mod client;
mod demo;
mod forge;
mod git;
mod host;
mod journal;
mod local;
mod log;
mod login;
mod manual;
mod people;
mod progress;
mod remote;
mod restore;
mod rollback;
mod run;
mod screen;
mod service;
pub mod show;
mod token;
mod trail;
mod trouble;

use std::process::ExitCode;
use std::sync::Arc;

use args::{Audit, Cli, Command, Forge};
use ask::Asking;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches};
use client::Client;
use screen::Screen;
use trouble::Trouble;

use crate::model::Clock;

/// What a command ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Done, or nothing to do.
    Done,
    /// It differs, is held or unhealthy.
    Differs,
    /// The command could not do its work.
    Trouble,
    /// The daemon cannot run, and would not run any better if started again: somebody has to mend something first.
    Lasting,
}

impl Exit {
    const fn differs_unless(good: bool) -> Self {
        if good { Self::Done } else { Self::Differs }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Differs => 1,
            Exit::Trouble => 2,
            // EX_CONFIG of sysexits.h; the unit has `RestartPreventExitStatus=78`.
            Exit::Lasting => 78,
        })
    }
}

/// Parses what was typed and does it.
#[must_use]
pub fn main(clock: &Arc<dyn Clock>) -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let screen = Screen::new(&cli.global);
    // From the environment it is for the commands that ask.
    let meant = matches.value_source("server") == Some(ValueSource::CommandLine);
    match dispatch(&cli, meant, screen, clock) {
        Ok(exit) => exit.into(),
        Err(trouble) if trouble.quiet => Exit::Done.into(),
        Err(trouble) => {
            screen.say(&format!("error: {}", trouble.message));
            trouble.hint.iter().for_each(|hint| screen.hint(hint));
            let exit = if trouble.lasting { Exit::Lasting } else { Exit::Trouble };
            exit.into()
        }
    }
}

fn dispatch(cli: &Cli, elsewhere: bool, screen: Screen, clock: &Arc<dyn Clock>) -> Result<Exit, Trouble> {
    if elsewhere && !cli.command.asks() {
        return Err(Trouble::new("this command works on this machine alone").hint("leave out --server"));
    }
    match &cli.command {
        Command::Run(args) => return run::run(args, &cli.global, clock),
        Command::Host => return host::host(&cli.global, clock),
        Command::Check(args) => return local::check(args, &cli.global, screen),
        Command::Demo(args) => return demo::demo(args, screen),
        Command::Render(args) => return local::render(args, screen),
        Command::Login => return runtime()?.block_on(login::login(&cli.global, screen)),
        Command::Logout => return runtime()?.block_on(login::logout(&cli.global, screen)),
        Command::Completions { shell } => return manual::completions(*shell),
        Command::Man { folder } => return manual::man(folder),
        Command::Forge(Forge::Setup(setup)) => return runtime()?.block_on(forge::setup(setup, &cli.global, screen)),
        Command::Audit(Audit::Accept { reason }) => return trail::accept(reason, &cli.global, screen),
        Command::Audit(Audit::Verify(verify)) if verify.is_offline() => {
            return runtime()?.block_on(trail::offline(verify, screen));
        }
        _ => {}
    }
    let asking = Asking { client: Client::new(&cli.global)?, screen, clock: &**clock };
    runtime()?.block_on(asking.command(&cli.command))
}

/// One thread is enough to ask one question.
fn runtime() -> Result<tokio::runtime::Runtime, Trouble> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Trouble::chain(&error))
}
