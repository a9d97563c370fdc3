//! Who holds a lock: a process, recognisable from inside its own host and process namespace.

use serde_json::json;

/// A process. Two of different containers of one host are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) host: String,
    /// The kernel's boot id and the process namespace: the same process id means something else in another one.
    pub(super) space: String,
    pub(super) pid: u32,
    pub(super) started: String,
}

impl Process {
    pub(super) fn own() -> Self {
        let read = |path: &str| fs_err::read_to_string(path).unwrap_or_default().trim().to_owned();
        let namespace = fs_err::read_link("/proc/self/ns/pid").map(|path| path.display().to_string());
        let pid = std::process::id();
        Self {
            host: read("/proc/sys/kernel/hostname"),
            space: format!(
                "{} {}",
                read("/proc/sys/kernel/random/boot_id"),
                namespace.unwrap_or_default()
            ),
            pid,
            started: start_time(pid).unwrap_or_default(),
        }
    }

    pub(super) fn text(&self) -> String {
        json!([self.host, self.space, self.pid, self.started]).to_string()
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, space, pid, started) = serde_json::from_str(text).ok()?;
        Some(Self {
            host,
            space,
            pid,
            started,
        })
    }

    /// Whether the other process is certainly gone. One that can't be seen from here may live.
    pub(super) fn knows_dead(&self, other: &Self) -> bool {
        let visible = other.host == self.host && other.space == self.space && !self.space.trim().is_empty();
        visible && start_time(other.pid).is_none_or(|started| started != other.started)
    }
}

/// When a process began, in the kernel's ticks: tells a process from a later one with the same id.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name that may hold anything, in parentheses.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let dead = matches!(fields.first(), Some(&("Z" | "X")));
    if dead {
        None
    } else {
        fields.get(19).map(|ticks| (*ticks).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processes_of_this_host_are_known_to_be_dead() {
        let me = Process::own();
        assert_eq!(Process::parse(&me.text()), Some(me.clone()));
        assert!(!me.knows_dead(&me));
        let other = |change: fn(&mut Process)| {
            let mut other = me.clone();
            change(&mut other);
            other
        };
        assert!(me.knows_dead(&other(|process| process.started = "1".into())));
        assert!(me.knows_dead(&other(|process| process.pid = u32::MAX)));
        for elsewhere in [
            other(|process| (process.host, process.pid) = ("far".into(), u32::MAX)),
            other(|process| (process.space, process.pid) = ("container".into(), u32::MAX)),
        ] {
            assert!(!me.knows_dead(&elsewhere));
        }
    }
}
