use std::process::ExitCode;
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use trueup::model::{Boot, Clock, Time};

/// The machine's clock: the only place that reads wall time, and how long the machine has been up.
struct MachineClock;

/// Which start of the machine this is; where the kernel does not say, each process is one of its own.
static BOOT: LazyLock<String> = LazyLock::new(|| {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map_or_else(|_| format!("process {}", std::process::id()), |id| id.trim().to_owned())
});

impl Clock for MachineClock {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn boot(&self) -> Boot {
        let up = clock_gettime(ClockId::Boottime);
        let elapsed = up.tv_sec.saturating_mul(1_000_000).saturating_add(up.tv_nsec / 1_000);
        Boot { id: BOOT.as_str().into(), elapsed }
    }
}

fn main() -> ExitCode {
    // Fails only when one is installed already, which is just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock: Arc<dyn Clock> = Arc::new(MachineClock);
    trueup::cli::main(&clock)
}
