//! About the trail.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Audit {
    /// List records, newest first
    List {
        /// Only records of this application
        #[arg(value_name = "APP")]
        application: Option<String>,
        /// Only records before this number
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
        /// Show at most this many records
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50)]
        limit: u32,
    },
    /// Show one record whole
    Show {
        #[arg(value_name = "NUMBER")]
        sequence: u64,
    },
    /// Read the whole trail and say whether anything in it was changed
    Verify(Verify),
    /// Print a proof of one record, or of what the trail has grown from, that is checked without the trail (`verify --proof`)
    Prove {
        #[arg(value_name = "NUMBER", required_unless_present = "since")]
        sequence: Option<u64>,
        /// Prove that the trail has only grown since the checkpoint in this file
        #[arg(long, value_name = "FILE", conflicts_with = "sequence")]
        since: Option<PathBuf>,
    },
    /// Print the trail as JSON Lines, oldest first, with all that is needed to verify it elsewhere
    Export {
        /// Only records after this number
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u64,
        /// Print what `verify --from` reads, or each record as a CloudEvent
        #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
        format: ExportFormat,
    },
    /// Replace the key that signs checkpoints; both sign for the change, and the old one is erased
    RotateKey {
        /// Say why, for the trail
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Move old records into the archive; their hashes stay
    Archive {
        /// Move those that are older than this, instead of what the configuration says
        #[arg(long, value_name = "SPAN")]
        older_than: Option<crate::config::Span>,
    },
    /// Erase what a record says, for ever; that there was one, and its hash, stay
    Erase {
        #[arg(value_name = "NUMBER")]
        sequence: u64,
        /// Say why, for the trail
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Let the next start go on with a trail that is not what was published: a backup was restored, or the key is lost
    Accept {
        /// Say why, for the trail
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExportFormat {
    #[default]
    Trail,
    Cloudevents,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Verify {
    /// Verify this export, or this data folder of a daemon that does not run, instead of asking the daemon (`-` is stdin)
    #[arg(long, value_name = "PATH")]
    pub from: Option<PathBuf>,
    /// Hold it against the checkpoints in this file, which were kept elsewhere; may be given several times
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// Trust the keys in this file, a vkey on each line, and those that they have signed for; without it, the keys that the trail
    /// itself names
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Read the files of the archive in this folder too
    #[arg(long, value_name = "FOLDER")]
    pub archive: Option<PathBuf>,
    /// Check this proof instead of a trail
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "checkpoint", "archive"])]
    pub proof: Option<PathBuf>,
}
