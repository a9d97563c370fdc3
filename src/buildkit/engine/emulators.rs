//! Programs of other architectures: the kernel calls QEMU for them (binfmt_misc).
//!
//! Where the machine has registered QEMU, there is nothing to do. Else the engine registers the `qemu-*-static` of PATH
//! in a user namespace of its own (Linux 6.7 and later keep such a list for each): nothing of the machine is changed,
//! and it ends with the engine. Without either, commands for another platform end with "exec format error".

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use serde::{Deserialize, Serialize};

use super::find_program;

/// Where the kernel shows what is registered.
const REGISTERED: &str = "/proc/sys/fs/binfmt_misc";

/// An architecture's program files, and QEMU's name for it.
struct Architecture {
    name: &'static str,
    qemu: &'static str,
    /// 1 for 32 bits, 2 for 64.
    class: u8,
    /// 1 for little-endian, 2 for big-endian.
    order: u8,
    /// `e_machine` of the ELF header.
    machine: u16,
}

const fn architecture(
    name: &'static str,
    qemu: &'static str,
    (class, order): (u8, u8),
    machine: u16,
) -> Architecture {
    Architecture {
        name,
        qemu,
        class,
        order,
        machine,
    }
}

const ARCHITECTURES: [Architecture; 9] = [
    architecture("386", "i386", (1, 1), 3),
    architecture("amd64", "x86_64", (2, 1), 62),
    architecture("arm", "arm", (1, 1), 40),
    architecture("arm64", "aarch64", (2, 1), 183),
    architecture("loong64", "loongarch64", (2, 1), 258),
    architecture("mips64le", "mips64el", (2, 1), 8),
    architecture("ppc64le", "ppc64le", (2, 1), 21),
    architecture("riscv64", "riscv64", (2, 1), 243),
    architecture("s390x", "s390x", (2, 2), 22),
];

/// What runs the programs of an architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emulator {
    /// As Go names it.
    pub architecture: String,
    /// The static program `qemu-…-static`.
    pub interpreter: PathBuf,
}

/// What an engine has to register to run programs of these architectures; nothing where the machine has done it, or
/// has no QEMU.
#[must_use]
pub fn emulators<'a>(architectures: impl IntoIterator<Item = &'a str>, search_path: &OsStr) -> Vec<Emulator> {
    let wanted: BTreeSet<&str> = architectures.into_iter().collect();
    let wanted: Vec<&Architecture> = ARCHITECTURES
        .iter()
        .filter(|known| wanted.contains(known.name) && !is_native(known.name))
        .collect();
    if wanted.iter().all(|known| is_registered(known)) {
        return Vec::new();
    }
    let found = wanted.iter().map(|known| {
        let interpreter = find_program(&format!("qemu-{}-static", known.qemu), search_path);
        (known, interpreter)
    });
    let mut emulators = Vec::new();
    for (known, interpreter) in found {
        match interpreter {
            Some(interpreter) => emulators.push(Emulator {
                architecture: known.name.to_owned(),
                interpreter,
            }),
            // A list of the engine's own hides the machine's.
            None if is_registered(known) => return Vec::new(),
            None => {}
        }
    }
    emulators
}

/// Whether this machine runs such programs itself.
fn is_native(architecture: &str) -> bool {
    match std::env::consts::ARCH {
        "x86_64" => matches!(architecture, "amd64" | "386"),
        "aarch64" => architecture == "arm64",
        "powerpc64" => architecture == "ppc64le",
        other => architecture == other,
    }
}

fn is_registered(known: &Architecture) -> bool {
    let entry = fs_err::read_to_string(format!("{REGISTERED}/qemu-{}", known.qemu));
    entry.is_ok_and(|entry| entry.starts_with("enabled"))
}

/// Registers emulators for everything in this user namespace.
pub(super) fn register(emulators: &[Emulator], folder: &Path) -> Result<(), String> {
    if emulators.is_empty() {
        return Ok(());
    }
    let list = folder.join("binfmt");
    let failed = |error: &dyn std::fmt::Display| format!("cannot register QEMU (Linux 6.7 can): {error}");
    fs_err::create_dir_all(&list).map_err(|error| failed(&error))?;
    mount(
        Some("binfmt_misc"),
        &list,
        Some("binfmt_misc"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
        None::<&str>,
    )
    .map_err(|error| failed(&error))?;
    for emulator in emulators {
        let known = ARCHITECTURES
            .iter()
            .find(|known| known.name == emulator.architecture);
        if let Some(known) = known {
            let line = registration(known, &emulator.interpreter);
            fs_err::write(list.join("register"), line).map_err(|error| failed(&error))?;
        }
    }
    Ok(())
}

/// The line for the kernel: `:name:M:offset:magic:mask:interpreter:flags`. It opens the interpreter now (F), so that no
/// image needs to have it, takes owner and rights of a program from the program (C), and keeps its argument zero (P).
fn registration(known: &Architecture, interpreter: &Path) -> String {
    let machine = match known.order {
        1 => known.machine.to_le_bytes(),
        _ => known.machine.to_be_bytes(),
    };
    // Executables have type 2, position-independent ones 3; the OS ABI is 0, or 3 for GNU extensions.
    let kind: [(u8, u8); 2] = match known.order {
        1 => [(2, 0xfe), (0, 0xff)],
        _ => [(0, 0xff), (2, 0xfe)],
    };
    let head = [0x7f, b'E', b'L', b'F', known.class, known.order, 1].map(|byte| (byte, 0xff));
    let bytes = head
        .into_iter()
        .chain([(0, 0xfc)])
        .chain([(0, 0xff); 8])
        .chain(kind)
        .chain(machine.map(|byte| (byte, 0xff)));
    let (mut magic, mut mask) = (String::new(), String::new());
    for (byte, counts) in bytes {
        // Writing to a text does not fail.
        _ = write!(magic, "\\x{byte:02x}");
        _ = write!(mask, "\\x{counts:02x}");
    }
    format!(
        ":qemu-{}:M:0:{magic}:{mask}:{}:PCF",
        known.qemu,
        interpreter.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_names_magic_mask_and_interpreter() {
        let arm = ARCHITECTURES
            .iter()
            .find(|known| known.name == "arm64")
            .expect("known");
        assert_eq!(
            registration(arm, Path::new("/usr/bin/qemu-aarch64-static")),
            concat!(
                r":qemu-aarch64:M:0:\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00",
                r":\xff\xff\xff\xff\xff\xff\xff\xfc\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff",
                ":/usr/bin/qemu-aarch64-static:PCF"
            )
        );
        let big = ARCHITECTURES
            .iter()
            .find(|known| known.name == "s390x")
            .expect("known");
        assert!(registration(big, Path::new("/q")).contains(r"\x00\x02\x00\x16:"));
    }

    #[test]
    fn the_machines_own_programs_need_no_emulator() {
        let own = crate::registry::Platform::host().architecture;
        assert!(emulators([own.as_str()], OsStr::new("/usr/bin")).is_empty());
        assert!(emulators(["arm64", "s390x"], OsStr::new("/nowhere")).is_empty());
    }
}
