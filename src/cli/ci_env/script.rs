//! Variables as lines that a shell sources, or that a tool reads as an `.env` file.
//!
//! Every value is written so that no shell takes any of it for a command: werf writes values between double quotes as
//! they are, and a tag `v1$(id)` runs `id`. Values without such characters stand between double quotes too.

/// What reads the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Any shell of Unix.
    Unix,
    PowerShell,
    /// The command line of Windows, from a file: `%` is doubled.
    CommandLine,
    /// `NAME=VALUE`, taken to the line's end as it is.
    EnvFile,
}

impl Form {
    /// The ending of a file's name, without which Windows does not run it.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::PowerShell => ".ps1",
            Self::CommandLine => ".bat",
            Self::Unix | Self::EnvFile => "",
        }
    }
}

/// A part of the script.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) variables: Vec<Variable>,
}

/// One variable.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) name: &'static str,
    /// An empty one is shown as a comment.
    pub(super) value: String,
    /// What stays, as it is set already.
    pub(super) kept: Option<String>,
}

/// A value that a form cannot hold.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the variable `{name}`: its value has {what}, which {form:?} cannot hold")]
pub(super) struct ScriptError {
    name: &'static str,
    what: &'static str,
    form: Form,
}

/// The whole script. With `echoes` it also prints its lines when it is sourced.
pub(super) fn write(sections: &[Section], form: Form, echoes: bool) -> Result<String, ScriptError> {
    let mut lines = Vec::new();
    for (index, section) in sections.iter().enumerate() {
        if index > 0 {
            lines.push(String::new());
        }
        lines.push(comment(section.title, form));
        for variable in &section.variables {
            lines.push(line(variable, form)?);
        }
    }
    let echoes = echoes && form == Form::Unix;
    let mut text = String::new();
    for line in lines {
        text.push_str(&line);
        text.push('\n');
        if echoes {
            text.push_str(&format!("echo {}\n", single_quoted(&line)));
        }
    }
    Ok(text)
}

fn line(variable: &Variable, form: Form) -> Result<String, ScriptError> {
    if let Some(kept) = &variable.kept {
        let set = assignment(variable, form)?;
        // What stands there already may have any form.
        let kept: String = kept
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        return Ok(comment(&format!("skip {set} ({kept})"), form));
    }
    let set = assignment(variable, form)?;
    Ok(if variable.value.is_empty() {
        comment(&set, form)
    } else {
        set
    })
}

fn comment(text: &str, form: Form) -> String {
    match form {
        Form::CommandLine => format!(":: {text}"),
        _ => format!("# {text}"),
    }
}

fn assignment(variable: &Variable, form: Form) -> Result<String, ScriptError> {
    let Variable { name, value, .. } = variable;
    let refuse = |what| ScriptError { name, what, form };
    let ends_line = |c| matches!(c, '\n' | '\r' | '\0');
    // A comment must not end before its line does, and no form but the shells' quotes takes a line's end.
    if value.contains(ends_line) {
        return Err(refuse("a line break"));
    }
    Ok(match form {
        Form::EnvFile => format!("{name}={value}"),
        Form::Unix if value.contains(['"', '$', '`', '\\', '!']) => {
            format!("export {name}={}", single_quoted(value))
        }
        Form::Unix => format!("export {name}=\"{value}\""),
        // PowerShell takes typographic quotes for plain ones.
        Form::PowerShell if value.contains(['"', '$', '`', '\u{201c}', '\u{201d}', '\u{201e}']) => {
            let quoted: String = value
                .chars()
                .flat_map(|c| match c {
                    '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' => vec![c, c],
                    c => vec![c],
                })
                .collect();
            format!("$Env:{name} = '{quoted}'")
        }
        Form::PowerShell => format!("$Env:{name} = \"{value}\""),
        Form::CommandLine if value.contains('"') => return Err(refuse("a double quote")),
        Form::CommandLine => format!("set \"{name}={}\"", value.replace('%', "%%")),
    })
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: Form, value: &str, want: &str) {
        let variable = Variable {
            name: "A",
            value: value.into(),
            kept: None,
        };
        let got = line(&variable, form).unwrap_or_else(|error| error.to_string());
        assert_eq!(got, want, "{value}");
    }

    #[test]
    fn no_shell_takes_a_value_for_a_command() {
        check(Form::Unix, "2 stable", "export A=\"2 stable\"");
        check(Form::Unix, "a'b", "export A=\"a'b\"");
        check(Form::Unix, "v1$(id)`x`'\\", r"export A='v1$(id)`x`'\''\'");
        check(Form::Unix, "", "# export A=\"\"");
        check(Form::PowerShell, "a b", "$Env:A = \"a b\"");
        check(Form::PowerShell, "$(id)'", "$Env:A = '$(id)'''");
        check(Form::CommandLine, "50%", "set \"A=50%%\"");
        check(Form::EnvFile, "v1$(id)\"", "A=v1$(id)\"");
        check(Form::EnvFile, "", "# A=");
        let refused = "cannot write the variable `A`: its value has a line break, which EnvFile cannot hold";
        check(Form::EnvFile, "a\nB=1", refused);
        let refused =
            "cannot write the variable `A`: its value has a double quote, which CommandLine cannot hold";
        check(Form::CommandLine, "\" & calc", refused);
    }

    #[test]
    fn what_a_real_shell_reads_is_what_was_meant() {
        for value in ["v1\"$(id)`x`\\", "a'b", "!! $HOME *", "\u{fc} \t~"] {
            let variables = vec![Variable {
                name: "A",
                value: value.into(),
                kept: None,
            }];
            let sections = [Section {
                title: "X",
                variables,
            }];
            let script = write(&sections, Form::Unix, true).unwrap();
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("{script}\nprintf %s \"$A\" >&2")])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stderr), value);
            assert!(String::from_utf8_lossy(&output.stdout).starts_with("# X\n"));
        }
    }
}
