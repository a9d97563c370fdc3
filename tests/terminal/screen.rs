//! A program on a pseudo-terminal, and what its screen shows.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

use super::harness::Project;

/// Longer no test waits for a picture.
const LIMIT: Duration = Duration::from_secs(120);

struct Screen {
    parser: vt100::Parser,
    raw: Vec<u8>,
    is_closed: bool,
}

/// A run of kiel on a terminal of its own.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    path: PathBuf,
    screen: Arc<(Mutex<Screen>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Starts kiel in the project, on a terminal of this size.
    pub(crate) fn run(project: &Project, args: &[&str], rows: u16, columns: u16) -> Self {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(Some(&size), None).expect("a pseudo-terminal");
        let link = format!("/proc/self/fd/{}", pty.slave.as_raw_fd());
        let path = fs_err::read_link(link).expect("the terminal's name");
        let slave = || pty.slave.try_clone().expect("a descriptor");
        let kiel = project.command(args);
        // Makes the terminal the one that its keys send signals from.
        let mut command = Command::new("setsid");
        command
            .arg("--ctty")
            .arg(kiel.get_program())
            .args(kiel.get_args());
        for (name, value) in kiel.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
            .env("TERM", "xterm-256color")
            .env_remove("CI")
            .env_remove("NO_COLOR")
            .env("KIEL_LOG_DIR", project.path().join(".git/kiel-logs"))
            .current_dir(project.path())
            .stdin(slave())
            .stdout(slave())
            .stderr(slave());
        let child = command.spawn().expect("setsid runs");
        // Else the descriptors of this process would keep the terminal open.
        drop(command);
        drop(pty.slave);
        let keyboard = File::from(pty.master);
        let output = keyboard.try_clone().expect("a descriptor");
        let screen = Screen {
            parser: vt100::Parser::new(some(rows), some(columns), 1000),
            raw: Vec::new(),
            is_closed: false,
        };
        let screen = Arc::new((Mutex::new(screen), Condvar::new()));
        let reader = std::thread::spawn({
            let screen = Arc::clone(&screen);
            move || read(output, &screen)
        });
        Self {
            child,
            keyboard,
            path,
            screen,
            reader: Some(reader),
        }
    }

    /// Waits until the screen shows what is wanted.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, shows: impl Fn(&str) -> bool) {
        let until = Instant::now() + LIMIT;
        let (screen, changed) = &*self.screen;
        let mut screen = screen.lock().expect("no thread panics with it");
        loop {
            let text = screen.parser.screen().contents();
            if shows(&text) {
                return;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!screen.is_closed && !left.is_zero(), "never saw {what}:\n{text}");
            screen = changed
                .wait_timeout(screen, left)
                .expect("no thread panics with it")
                .0;
        }
    }

    /// What the screen shows.
    pub(crate) fn text(&self) -> String {
        self.with(|screen| screen.parser.screen().contents())
    }

    /// All that was ever written to the terminal.
    pub(crate) fn raw(&self) -> String {
        self.with(|screen| String::from_utf8_lossy(&screen.raw).into_owned())
    }

    pub(crate) fn is_cursor_hidden(&self) -> bool {
        self.with(|screen| screen.parser.screen().hide_cursor())
    }

    fn with<T>(&self, look: impl FnOnce(&Screen) -> T) -> T {
        look(&self.screen.0.lock().expect("no thread panics with it"))
    }

    /// Gives the terminal another size, as a window manager does: the kernel tells the program.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        self.screen
            .0
            .lock()
            .expect("no thread panics with it")
            .parser
            .set_size(some(rows), some(columns));
        let status = Command::new("stty")
            .arg("-F")
            .arg(&self.path)
            .args(["rows", &rows.to_string(), "cols", &columns.to_string()])
            .status();
        assert!(status.expect("stty runs").success());
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("the terminal takes keys");
    }

    /// Waits for the end; gives the exit code.
    pub(crate) fn wait(&mut self) -> i32 {
        let status = self.child.wait().expect("kiel ends");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader ends");
        }
        status.code().unwrap_or(-1)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Ends what a failed test left; one that has ended is none to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn some(size: u16) -> NonZero<u16> {
    NonZero::new(size).expect("a terminal has lines and columns")
}

fn read(mut output: File, screen: &(Mutex<Screen>, Condvar)) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        // The last program closes the terminal: that is an error of input and output.
        let count = output.read(&mut buffer).unwrap_or(0);
        let mut shown = screen.0.lock().expect("no thread panics with it");
        shown.parser.process(&buffer[..count]);
        shown.raw.extend_from_slice(&buffer[..count]);
        shown.is_closed = count == 0;
        screen.1.notify_all();
        if count == 0 {
            return;
        }
    }
}
