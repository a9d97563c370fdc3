//! The fate of a pod as its annotation `fake.kiel.dev/fate` tells it: parsed into steps, words for whole stories
//! taken apart.
//!
//! A script is a list of words, separated by blanks or commas. A duration (`2s`, `300ms`) waits. `NAME:` before a
//! word gives it to one container, else it is for all ordinary ones. `=` gives a word its value; what has blanks
//! stands in back quotes. `again` goes back to the last `from`, else to the start. Scripts with `|` between them are
//! for the pods of one owner in turn; the last one is for all further pods.
//!
//! | word | what happens |
//! |---|---|
//! | `starting[=MESSAGE]` | waits as `ContainerCreating` |
//! | `running` | runs; ready if it has no readiness probe |
//! | `ready` | runs and is ready |
//! | `unready[=MESSAGE]` | runs, not ready, with the event `Unhealthy` |
//! | `exit=CODE[/REASON]` | ends; what comes next starts it again, if the pod's policy says so |
//! | `back-off` | waits as `CrashLoopBackOff`, with the event |
//! | `waiting=REASON[/MESSAGE]` | waits for any other reason, with the event `Failed` |
//! | `event=REASON/MESSAGE` | a warning about the pod |
//! | `evict[=MESSAGE]` | the pod fails as `Evicted` |
//! | `lose-node` | the pod is as its node's loss leaves it: not ready, deleted, never gone for a minute |
//! | `slow-delete=TIME` | its deletion takes this long |
//! | `ready-after=TIME`, `complete[=TIME]`, `fail=CODE`, `crash-loop[=CODE]`, `oom`, `restart-then-ready`, `never`, `flap`, `image-pull-backoff[=MESSAGE]`, `config-error[=MESSAGE]`, `readiness-fails[=MESSAGE]`, `init-fail[=CODE]`, `evicted`, `node-lost` | stories made of these |

use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// What happens to containers, or to their pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Starting(String),
    Running,
    Ready,
    Unready(String),
    Exit { code: i64, reason: String },
    BackOff,
    Waiting { reason: String, message: String },
    Event { reason: String, message: String },
    Evict(String),
    LoseNode,
}

/// One step of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Wait(Duration),
    Act {
        /// All ordinary containers where it is `None`.
        container: Option<String>,
        act: Act,
    },
}

/// What one pod does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    /// The step that comes after the last one.
    pub(super) again: Option<usize>,
    /// How long its deletion takes.
    pub(super) deletion: Duration,
}

/// How long an unreachable node's pod stays: a real one for ever, but then its namespace could not be deleted.
const LOST: Duration = Duration::from_secs(60);
const NOT_FOUND: &str = "failed to resolve reference \"registry.example/no/such:image\": not found";
const PROBE: &str = "HTTP probe failed with statuscode: 503";

/// The script for the `turn`th pod of its owner; `init` is the name of the first init container.
pub(super) fn parse(text: &str, turn: usize, init: Option<&str>) -> Result<Script> {
    let all = split(text, |c| c == '|');
    let text = all.get(turn).or(all.last()).map_or("", String::as_str);
    let mut script = Script::default();
    let mut from = 0;
    for word in split(text, |c| c.is_whitespace() || c == ',') {
        let word = word.replace('`', "");
        if word == "from" {
            from = script.steps.len();
            continue;
        }
        if word == "again" {
            script.again = Some(from);
            break;
        }
        let (container, word) = match word.split_once(':') {
            Some((name, word)) if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
                (Some(name.to_owned()), word.to_owned())
            }
            _ => (None, word),
        };
        let (name, value) = word.split_once('=').unwrap_or((&word, ""));
        if let Some(wait) = duration(name) {
            script.steps.push(Step::Wait(wait));
        } else if name == "slow-delete" {
            script.deletion = duration(value).with_context(|| format!("`{word}` has no duration"))?;
        } else if let Some(act) = act(name, value)? {
            script.steps.push(Step::Act { container, act });
        } else {
            let init = init.unwrap_or_default();
            let story =
                story(name, value, init)?.with_context(|| format!("`{word}` is no word of a fate"))?;
            if name == "node-lost" {
                script.deletion = LOST;
            }
            let part = parse(&story, 0, None)?;
            let offset = script.steps.len();
            for step in part.steps {
                script.steps.push(match (step, &container) {
                    (Step::Act { container: None, act }, Some(_)) => Step::Act {
                        container: container.clone(),
                        act,
                    },
                    (step, _) => step,
                });
            }
            if let Some(again) = part.again {
                script.again = Some(offset + again);
                break;
            }
        }
    }
    // A circle without a wait would never end.
    if let Some(again) = script.again {
        let waits = script.steps[again..]
            .iter()
            .any(|step| matches!(step, Step::Wait(time) if !time.is_zero()));
        ensure!(waits, "`{text}` goes in a circle without a wait");
    }
    Ok(script)
}

fn act(name: &str, value: &str) -> Result<Option<Act>> {
    let (first, rest) = value.split_once('/').unwrap_or((value, ""));
    Ok(Some(match name {
        "starting" => Act::Starting(value.to_owned()),
        "running" => Act::Running,
        "ready" => Act::Ready,
        "unready" => Act::Unready(or(value, PROBE)),
        "exit" => {
            let code: i64 = first
                .parse()
                .with_context(|| format!("`{first}` is no exit code"))?;
            let usual = if code == 0 { "Completed" } else { "Error" };
            Act::Exit {
                code,
                reason: or(rest, usual),
            }
        }
        "back-off" => Act::BackOff,
        "waiting" if !first.is_empty() => Act::Waiting {
            reason: first.to_owned(),
            message: rest.to_owned(),
        },
        "event" if !first.is_empty() => Act::Event {
            reason: first.to_owned(),
            message: rest.to_owned(),
        },
        "evict" => Act::Evict(or(value, "The node was low on resource: memory.")),
        "lose-node" => Act::LoseNode,
        _ => return Ok(None),
    }))
}

/// A story in words of the first kind.
fn story(name: &str, value: &str, init: &str) -> Result<Option<String>> {
    let crash = |container: &str, code: &str| {
        let end = format!("{container}running 200ms {container}exit={code}");
        // The first restart comes at once, later ones after a pause (much shorter here than in life).
        format!("{end} 50ms {end} 50ms from {container}back-off 1s {end} 50ms again")
    };
    let pull = |reason: &str, message: &str| format!("`waiting={reason}/{message}`");
    Ok(Some(match name {
        "ready-after" => format!("starting {value} ready"),
        "complete" => format!("running {} exit=0", or(value, "20ms")),
        "fail" => format!("running 20ms exit={}", or(value, "1")),
        "crash-loop" => crash("", &or(value, "1")),
        "oom" => crash("", "137/OOMKilled"),
        "restart-then-ready" => "running 200ms exit=1 100ms ready".to_owned(),
        "never" => "starting".to_owned(),
        "flap" => "ready 300ms unready 300ms ready 300ms unready 300ms ready".to_owned(),
        "image-pull-backoff" => {
            let message = or(value, NOT_FOUND);
            let first = pull("ErrImagePull", &message);
            let then = pull(
                "ImagePullBackOff",
                &format!("Back-off pulling image: ErrImagePull: {message}"),
            );
            format!("starting 100ms {first} 500ms {then} 2s again")
        }
        "config-error" => pull(
            "CreateContainerConfigError",
            &or(value, "couldn't find key url in ConfigMap default/settings"),
        ),
        "readiness-fails" => format!("running 200ms from `unready={}` 1s again", or(value, PROBE)),
        "init-fail" => {
            ensure!(!init.is_empty(), "`init-fail`: the pod has no init container");
            crash(&format!("{init}:"), &or(value, "1"))
        }
        "evicted" => "ready 300ms evict".to_owned(),
        "node-lost" => "ready 500ms lose-node".to_owned(),
        _ => return Ok(None),
    }))
}

fn or(value: &str, usual: &str) -> String {
    if value.is_empty() { usual } else { value }.to_owned()
}

/// Splits outside of back quotes; empty parts go.
fn split(text: &str, at: impl Fn(char) -> bool) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        if c == '`' {
            quoted = !quoted;
        }
        match parts.last_mut() {
            Some(part) if quoted || !at(c) => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    let parts = parts.into_iter().map(|part| part.trim().to_owned());
    parts.filter(|part| !part.is_empty()).collect()
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number * 60)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acts(text: &str, turn: usize) -> Vec<Step> {
        parse(text, turn, Some("migrate")).expect("parses").steps
    }

    fn all(act: Act) -> Step {
        Step::Act { container: None, act }
    }

    #[test]
    fn words_and_waits() {
        let want = [
            all(Act::Starting(String::new())),
            Step::Wait(Duration::from_secs(2)),
            all(Act::Ready),
        ];
        assert_eq!(acts("starting, 2s ready", 0), want);
        assert_eq!(acts("ready-after=2s", 0), want);
        let waiting = Act::Waiting {
            reason: "Odd".to_owned(),
            message: "a b: c|d".to_owned(),
        };
        assert_eq!(acts("`waiting=Odd/a b: c|d`", 0), [all(waiting)]);
    }

    #[test]
    fn pods_take_turns() {
        let exit = |code| {
            let reason = if code == 0 { "Completed" } else { "Error" }.to_owned();
            all(Act::Exit { code, reason })
        };
        for (turn, want) in [(0, 3), (1, 0), (2, 0)] {
            assert_eq!(acts("exit=3 | exit=0", turn), [exit(want)]);
        }
    }

    #[test]
    fn a_word_is_for_one_container() {
        let steps = acts("init-fail=7", 0);
        let of = |step: &Step| match step {
            Step::Act { container, .. } => container.clone(),
            Step::Wait(_) => Some("migrate".to_owned()),
        };
        assert!(
            steps.iter().all(|step| of(step).as_deref() == Some("migrate")),
            "{steps:?}"
        );
        assert!(
            matches!(&acts("log:exit=1", 0)[..], [Step::Act { container: Some(name), .. }] if name == "log")
        );
    }

    #[test]
    fn stories_go_in_circles_only_with_waits() {
        let script = parse("crash-loop=3", 0, None).expect("parses");
        let again = script.again.expect("goes on for ever");
        assert_eq!(script.steps[again], all(Act::BackOff));
        assert!(parse("ready again", 0, None).is_err());
        assert!(parse("constantinople", 0, None).is_err());
        assert!(parse("init-fail", 0, None).is_err());
        assert_eq!(
            parse("ready slow-delete=3s", 0, None).expect("parses").deletion,
            Duration::from_secs(3)
        );
    }
}
