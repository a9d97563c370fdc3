//! The real Helm's engine in one process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Helm runs templates that never end.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Oracle {
    program: PathBuf,
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Oracle {
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .env_clear()
            .env("TZ", "UTC")
            .env("GOMAXPROCS", "2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run `{}`", program.display()))?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("the program gives no output")?;
        let (sender, answers) = channel();
        // Ends with the program.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            program: program.to_owned(),
            child,
            input,
            answers,
        })
    }

    /// Sends the questions, does `meanwhile`, and reads the answers: none where Helm does not end.
    pub(crate) fn ask<T>(
        &mut self,
        questions: &[Value],
        meanwhile: impl FnOnce() -> T,
    ) -> Result<(Vec<Option<Value>>, T)> {
        let mut answers = Vec::new();
        let mut meanwhile = Some(meanwhile);
        let mut made = None;
        while answers.len() < questions.len() || made.is_none() {
            let rest = &questions[answers.len()..];
            let mut input = self.input.take().context("the program takes no input")?;
            let found = std::thread::scope(|scope| {
                let writer = scope.spawn(move || {
                    // A program that is ended stops reading.
                    let sent = rest.iter().try_for_each(|question| writeln!(input, "{question}"));
                    sent.and_then(|()| input.flush()).map(|()| input)
                });
                if let Some(meanwhile) = meanwhile.take() {
                    made = Some(meanwhile());
                }
                let found = self.receive(rest.len());
                self.input = writer.join().ok().and_then(Result::ok);
                found
            })?;
            let stuck = found.len() < rest.len();
            answers.extend(found.into_iter().map(Some));
            if stuck {
                answers.push(None);
                *self = Self::start(&self.program)?;
            }
        }
        let made = made.context("nothing was done meanwhile")?;
        Ok((answers, made))
    }

    /// So many answers, or those that come before one that does not.
    fn receive(&mut self, count: usize) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        while found.len() < count {
            match self.answers.recv_timeout(PATIENCE) {
                Ok(line) => found.push(serde_json::from_str(&line)?),
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill()?;
                    self.child.wait()?;
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.child.wait()?;
                    break;
                }
            }
        }
        Ok(found)
    }

    pub(crate) fn end(mut self) -> Result<()> {
        drop(self.input.take());
        self.child.wait()?;
        Ok(())
    }
}
