use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde_json::json;

use super::super::args::Verify;
use super::super::ask::{Asking, read};
use super::super::progress::waiting;
use super::super::screen::{self, Screen};
use super::super::trouble::Trouble;
use super::super::{Exit, show};
use super::{archive, shown, text};
use crate::audit::{self, Given, Proof, Report};
use crate::store::{ReadOnly, StoreError};

impl Verify {
    /// Whether it needs no daemon.
    pub(in crate::cli) const fn is_offline(&self) -> bool {
        self.from.is_some() || self.proof.is_some()
    }

    /// Reads what the trail is to be held against.
    fn given(&self) -> Result<Given, Trouble> {
        let mut given = Given::default();
        if let Some(file) = &self.key {
            let trusted = given.trust(&text(file)?);
            trusted.map_err(|error| Trouble::new(format!("could not use {}: {error}", shown(file))))?;
        }
        for file in &self.checkpoint {
            let against = given.hold_against(&file.display().to_string(), text(file)?);
            against.map_err(|error| Trouble::chain(&error))?;
        }
        if let Some(folder) = &self.archive {
            given.sizes = archive::sizes(folder)?;
        }
        Ok(given)
    }
}

/// So much of checkpoints goes into one request; as JSON, and with the end of a note, it stays below what the daemon takes.
const MOST: usize = 6 * 1024 * 1024;

/// Has the running daemon verify its trail: as often as it takes to hold it against all checkpoints.
pub(super) async fn online(asking: &Asking<'_>, verify: &Verify) -> Result<Exit, Trouble> {
    let mut whole: Option<Report> = None;
    for given in verify.given()?.parts(MOST) {
        let given = json!(given);
        let asked = asking.client.post(&["audit", "verify"], &given);
        let report: Report = read(&waiting("reading the whole trail", asked).await?)?;
        whole = Some(match whole {
            Some(before) => before.and(report),
            None => report,
        });
    }
    // There is a part at the least.
    let report = whole.ok_or_else(|| Trouble::new("there was nothing to ask"))?;
    told(report, verify, asking.screen).await
}

/// Verifies an export, a data folder or a proof by itself: it takes neither the daemon nor the machine that it comes from.
pub(in crate::cli) async fn offline(verify: &Verify, screen: Screen) -> Result<Exit, Trouble> {
    let given = verify.given()?;
    if let Some(file) = &verify.proof {
        return proof(file, &given, screen);
    }
    let from = verify.from.as_deref().unwrap_or(Path::new("-"));
    let verified = async {
        if from == Path::new("-") {
            return audit::verify_export(std::io::stdin().lock(), &given).await;
        }
        if from.is_dir() {
            return audit::verify(&ReadOnly::open(from).await?, &given).await;
        }
        let file =
            File::open(from).map_err(|error| StoreError::file(format!("could not read {}", shown(from)), error))?;
        audit::verify_export(BufReader::with_capacity(1 << 20, file), &given).await
    };
    told(verified.await.map_err(|error| Trouble::chain(&error))?, verify, screen).await
}

async fn told(mut report: Report, verify: &Verify, screen: Screen) -> Result<Exit, Trouble> {
    if let Some(folder) = &verify.archive {
        waiting("reading the archive", archive::verify(folder, &mut report)).await;
    }
    if screen.json {
        screen::json(&report)?;
    } else {
        screen.text(&show::verified(&report))?;
    }
    Ok(Exit::differs_unless(report.is_intact()))
}

fn proof(file: &Path, given: &Given, screen: Screen) -> Result<Exit, Trouble> {
    let proof: Proof = serde_json::from_str(&text(file)?)
        .map_err(|error| Trouble::new(format!("{} is no proof: {error}", shown(file))))?;
    match proof.verify(&given.keys) {
        Ok(proven) if screen.json => screen::json(&proven)?,
        Ok(proven) => screen.text(&show::proven(&proof, &proven))?,
        Err(error) => {
            screen.say(&format!("it proves nothing: {}", show::printable(&crate::model::chain(&error))));
            return Ok(Exit::Differs);
        }
    }
    Ok(Exit::Done)
}
