//! How much memory a test has taken.

use anyhow::{Context as _, Result};

/// Peak memory of this process, in KiB.
pub(crate) fn peak_memory() -> Result<u64> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("the system says no peak memory")?.parse()?)
}
