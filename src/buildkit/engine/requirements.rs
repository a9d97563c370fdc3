//! What an engine of an ordinary user needs of the machine, and the command that grants each lack.

use std::ffi::OsStr;

use nix::unistd::{Gid, Uid, User};

use super::{EngineError, find_program};
use crate::buildkit::engine::supervise::{IdMaps, IdRange};

/// Fewer ids than this make ordinary images fail: `nobody` is 65534.
const NEEDED_IDS: u32 = 65_535;

/// The subordinate ids of this user, from `/etc/subuid` and `/etc/subgid`.
pub(super) fn id_maps(search_path: &OsStr) -> Result<IdMaps, EngineError> {
    let (uid, gid) = (Uid::current(), Gid::current());
    let user = User::from_uid(uid)
        .ok()
        .flatten()
        .map_or_else(|| uid.to_string(), |user| user.name);
    for tool in ["newuidmap", "newgidmap"] {
        if find_program(tool, search_path).is_none() {
            return Err(EngineError::Requirement {
                lack: format!("`{tool}` is not installed"),
                remedy: "apt-get install uidmap".to_owned(),
            });
        }
    }
    let range = |file: &str, option: &str| {
        let text = fs_err::read_to_string(file).unwrap_or_default();
        find_range(&text, &user, uid.as_raw()).ok_or_else(|| EngineError::Requirement {
            lack: format!("user `{user}` has no {NEEDED_IDS} subordinate ids in `{file}`"),
            remedy: format!("usermod {option} 100000-165535 {user}"),
        })
    };
    Ok(IdMaps::Subordinate {
        uid: uid.as_raw(),
        gid: gid.as_raw(),
        uids: range("/etc/subuid", "--add-subuids")?,
        gids: range("/etc/subgid", "--add-subgids")?,
    })
}

/// The first large enough range of a user: lines are `user:first:count`, the user by name or number.
fn find_range(text: &str, user: &str, uid: u32) -> Option<IdRange> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let (owner, first, count) = (fields.next()?, fields.next()?, fields.next()?);
        let range = IdRange {
            first: first.parse().ok()?,
            count: count.parse().ok()?,
        };
        let is_own = owner == user || owner == uid.to_string();
        (is_own && range.count >= NEEDED_IDS).then_some(range)
    })
}

/// Why the kernel refuses a user namespace, as far as its settings tell: the lack and its remedy.
pub(super) fn refused_namespace() -> Option<(String, String)> {
    let settings = [
        (
            "kernel/unprivileged_userns_clone",
            "0",
            "kernel.unprivileged_userns_clone=1",
        ),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=28633"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ];
    settings.into_iter().find_map(|(file, refusing, remedy)| {
        let value = fs_err::read_to_string(format!("/proc/sys/{file}")).ok()?;
        (value.trim() == refusing).then(|| {
            let name = file.replace('/', ".");
            (
                format!("the setting {name} is {refusing}"),
                format!("sysctl -w {remedy}"),
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_or_number() {
        let text = "other:1:70000\nann:100000:10\nann:200000:65536\n1001:300000:65535\n";
        assert_eq!(
            find_range(text, "ann", 1000),
            Some(IdRange {
                first: 200_000,
                count: 65536
            })
        );
        assert_eq!(
            find_range(text, "bob", 1001),
            Some(IdRange {
                first: 300_000,
                count: 65535
            })
        );
        assert_eq!(find_range(text, "eve", 1002), None);
        assert_eq!(find_range("ann:x:y\n", "ann", 1000), None);
    }
}
