//! Triggers of base images: which of them read the context.

use super::expand::expand;
use super::lexer::{is_heredoc, lex};
use super::{flags, is_remote};

/// The ONBUILD triggers of a base image (as its config has them) that read the context. A key cannot hold what they
/// take: it does not look into base images.
pub(crate) fn context_triggers(triggers: &[String]) -> Vec<&str> {
    triggers
        .iter()
        .map(String::as_str)
        .filter(|trigger| reads_context(trigger))
        .collect()
}

fn reads_context(trigger: &str) -> bool {
    let Ok(lexed) = lex(trigger.as_bytes()) else {
        return true;
    };
    lexed.instructions.iter().any(|instruction| {
        let (options, rest) = flags(&instruction.rest, lexed.escape);
        match instruction.keyword.as_str() {
            "COPY" | "ADD" => {
                let sources: Vec<&str> = rest.split_whitespace().collect();
                let from = options.iter().any(|flag| flag.starts_with("--from="));
                let local = |source: &&str| !is_heredoc(source) && !is_remote(source);
                !from && sources[..sources.len().saturating_sub(1)].iter().any(local)
            }
            "RUN" => options
                .iter()
                .filter_map(|flag| flag.strip_prefix("--mount="))
                .any(|mount| {
                    let fields: Vec<(&str, &str)> = mount
                        .split(',')
                        .filter_map(|field| field.split_once('='))
                        .collect();
                    let value = |name: &str| {
                        fields
                            .iter()
                            .rev()
                            .find(|(field, _)| *field == name)
                            .map(|(_, value)| *value)
                    };
                    let bind = value("type")
                        .is_none_or(|kind| kind == "bind" || expand(kind, '\\', &|_| None).is_none());
                    value("from").is_none() && bind
                }),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triggers_that_read_the_context_are_found() {
        let triggers = [
            "RUN make",
            "COPY . /app",
            "ENV A=1",
            "ADD https://a/b /c",
            "COPY --from=x /a /b",
            "RUN --mount=source=x,target=/x ls",
            "RUN --mount=type=cache,target=/x ls",
        ];
        let triggers = triggers.map(str::to_owned);
        assert_eq!(
            context_triggers(&triggers),
            ["COPY . /app", "RUN --mount=source=x,target=/x ls"]
        );
    }
}
