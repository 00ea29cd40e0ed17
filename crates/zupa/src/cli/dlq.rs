//! `zupa dlq`: dead letters, listed, shown, counted and exported. What is done with them
//! is in `act`.

mod act;

use zupa::config::Config;
use zupa_core::{Clock, DeadLetter, DeadLetterId, DeadLetterStats};
use zupa_http::dead_letters::{self as shared, DeadLetters, Shown, Wanted, Words};
use zupa_runtime::SystemClock;

use super::arguments::{
    DlqCommand, ExportDeadLetters, Filter, Global, ListDeadLetters, Output, ShowDeadLetter,
};
use super::failure::{Code, Failure};
use super::reviews::{plain, versioned};
use super::source::Source;
use super::{check, operator, print};

/// Dead letters of one page of an export.
const PAGE: u16 = 500;

/// Runs `zupa dlq …`.
pub async fn dlq(global: &Global, command: &DlqCommand) -> Result<Code, Failure> {
    let config = check::load(global, &[])?;
    match command {
        DlqCommand::Ls(wanted) => list(&config, wanted).await,
        DlqCommand::Show(wanted) => show(&config, wanted).await,
        DlqCommand::Stats(output) => stats(&config, output).await,
        DlqCommand::Export(wanted) => export(&config, wanted).await,
        DlqCommand::Retry(wanted) => act::retry(&config, wanted).await,
        DlqCommand::Edit(wanted) => act::edit(&config, wanted).await,
        DlqCommand::Discard(wanted) => act::discard(&config, wanted).await,
        DlqCommand::Poison(wanted) => act::poison(&config, wanted).await,
        DlqCommand::Tag(wanted) => act::tag(&config, wanted).await,
    }
}

async fn list(config: &Config, wanted: &ListDeadLetters) -> Result<Code, Failure> {
    let filter = wanted_of(&wanted.filter, Some(&wanted.state));
    let after = wanted.after.as_deref().map(parse).transpose()?;
    let source = Source::open(config).await?;
    let found = page(&source, &filter, after, wanted.limit).await?;
    if wanted.output.json {
        versioned(&found)?;
        return Ok(Code::Ok);
    }
    for letter in &found.dead_letters {
        print::line(format_args!("{}", line(letter)));
    }
    match (&found.next, found.dead_letters.is_empty()) {
        (Some(next), _) => eprintln!("there are more: --after {next}"),
        (None, true) => eprintln!("there are no such dead letters"),
        (None, false) => {}
    }
    Ok(Code::Ok)
}

async fn page(
    source: &Source,
    filter: &Wanted,
    after: Option<DeadLetterId>,
    limit: u16,
) -> Result<DeadLetters, Failure> {
    match source {
        Source::Store(opened) => {
            let now = SystemClock::default().wall();
            let filter = filter.filter(now).map_err(unusable)?;
            let limit = usize::from(limit);
            Ok(shared::list(opened.desk.as_ref(), &filter, after, limit).await?)
        }
        Source::Server(server) => {
            // What is wrong with it is said better here than by a status.
            let now = SystemClock::default().wall();
            filter.filter(now).map_err(unusable)?;
            let after = after.map_or_else(String::new, |id| format!("&after={id}"));
            let query = query(filter)?;
            let path = format!("/api/v1/dead-letters?limit={limit}{after}{query}");
            operator::get(server, &path)
                .await?
                .ok_or_else(|| Failure::new(Code::Failed, "the server knows no dead letters"))
        }
    }
}

async fn show(config: &Config, wanted: &ShowDeadLetter) -> Result<Code, Failure> {
    let id = parse(&wanted.id)?;
    let words = words(wanted.content);
    let source = Source::open(config).await?;
    let shown = read(&source, id, words)
        .await?
        .ok_or_else(|| unknown(&wanted.id))?;
    if wanted.output.json {
        versioned(&shown)?;
        return Ok(Code::Ok);
    }
    let letter = &shown.letter;
    print::line(format_args!("dead letter  {}", letter.id));
    print::line(format_args!("state        {}", state(letter)));
    print::line(format_args!("conversation {}", letter.conversation));
    print::line(format_args!("channel      {}", letter.channel));
    print::line(format_args!("turn         {}", letter.turn));
    print::line(format_args!("type         {}", letter.content));
    if let Some(tag) = &letter.tag {
        print::line(format_args!("tag          {}", plain(&tag.as_str().into())));
    }
    if let Some(request) = &letter.correlation.request_id {
        print::line(format_args!(
            "request      {}",
            plain(&request.as_str().into())
        ));
    }
    for attempt in &shown.history {
        let (at, run, class) = (attempt.at, attempt.run, &attempt.class);
        let message = plain(&attempt.message.as_str().into());
        let again = match attempt.not_before {
            Some(not_before) => format!(", again after {} s", not_before.since(at).as_secs()),
            None => String::new(),
        };
        print::line(format_args!(
            "failure      {at}  run {run}  {class}: {message}{again}"
        ));
    }
    if let Some(says) = &shown.says {
        let says = plain(&says.as_prompt_text().into());
        print::line(format_args!("says         {says}"));
    }
    Ok(Code::Ok)
}

/// Reads one.
async fn read(source: &Source, id: DeadLetterId, words: Words) -> Result<Option<Shown>, Failure> {
    match source {
        Source::Store(opened) => {
            let view = opened.desk.dead_letter(id).await?;
            Ok(view.map(|view| Shown::of(view, words)))
        }
        Source::Server(server) => {
            let content = words == Words::Shown;
            let path = format!("/api/v1/dead-letters/{id}?content={content}");
            operator::get(server, &path).await
        }
    }
}

async fn stats(config: &Config, output: &Output) -> Result<Code, Failure> {
    let stats = match Source::open(config).await? {
        Source::Store(opened) => opened.desk.dead_letter_stats().await?,
        Source::Server(server) => {
            operator::get::<DeadLetterStats>(&server, "/api/v1/dead-letters/stats")
                .await?
                .ok_or_else(|| Failure::new(Code::Failed, "the server knows no dead letters"))?
        }
    };
    if output.json {
        versioned(&stats)?;
        return Ok(Code::Ok);
    }
    let counts = [
        ("state", &stats.states),
        ("kind", &stats.kinds),
        ("class", &stats.classes),
        ("tenant", &stats.tenants),
    ];
    for (of, counts) in counts {
        for (name, count) in counts {
            print::line(format_args!("{of:<12} {name}: {count}"));
        }
    }
    match stats.oldest_at {
        Some(at) => print::line(format_args!("oldest       {at}")),
        None => eprintln!("no dead letter waits"),
    }
    Ok(Code::Ok)
}

async fn export(config: &Config, wanted: &ExportDeadLetters) -> Result<Code, Failure> {
    let filter = wanted_of(&wanted.filter, Some(&wanted.state));
    let source = Source::open(config).await?;
    let mut after = None;
    loop {
        let found = page(&source, &filter, after, PAGE).await?;
        for letter in &found.dead_letters {
            // One that was forgotten meanwhile is left out.
            if let Some(shown) = read(&source, letter.id, words(wanted.content)).await? {
                let line = serde_json::to_string(&shown).map_err(|error| {
                    Failure::new(Code::Failed, "the answer is not JSON").because(error)
                })?;
                print::line(format_args!("{line}"));
            }
        }
        match found.next {
            Some(next) => after = Some(next),
            None => return Ok(Code::Ok),
        }
    }
}

fn words(shown: bool) -> Words {
    match shown {
        true => Words::Shown,
        false => Words::Hidden,
    }
}

/// A filter as the routes know it.
fn wanted_of(filter: &Filter, state: Option<&str>) -> Wanted {
    Wanted {
        kind: filter.kind.clone(),
        content: filter.of_type.clone(),
        class: filter.class.clone(),
        tag: filter.tag.clone(),
        state: state.filter(|state| *state != "all").map(str::to_owned),
        tenant: filter.tenant.clone(),
        older_than: filter.older_than.clone(),
        newer_than: filter.newer_than.clone(),
    }
}

fn query(filter: &Wanted) -> Result<String, Failure> {
    let fields = serde_json::to_value(filter)
        .map_err(|error| Failure::new(Code::Failed, "the filter is not JSON").because(error))?;
    let fields = fields.as_object().into_iter().flatten();
    let given = fields.filter_map(|(name, value)| Some((name, value.as_str()?)));
    Ok(given
        .map(|(name, value)| format!("&{name}={}", escaped(value)))
        .collect())
}

/// A value as a query spells it.
fn escaped(value: &str) -> String {
    let bytes = value.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).into(),
        other => format!("%{other:02X}"),
    });
    bytes.collect()
}

fn line(letter: &DeadLetter) -> String {
    let DeadLetter {
        id,
        class,
        content,
        conversation,
        attempts,
        last_failed_at,
        ..
    } = letter;
    let state = state(letter);
    let tag = match &letter.tag {
        Some(tag) => format!("  tag {}", plain(&tag.as_str().into())),
        None => String::new(),
    };
    format!(
        "{id}  {state}  {class}  {content}  conversation {conversation}  {attempts} failures, last {last_failed_at}{tag}"
    )
}

fn state(letter: &DeadLetter) -> String {
    let state = letter.state.as_str();
    match &letter.reason {
        Some(reason) => format!("{state} ({})", plain(&reason.as_str().into())),
        None => state.to_owned(),
    }
}

/// What was typed may be anything, so it is not repeated if it is no id.
fn parse(text: &str) -> Result<DeadLetterId, Failure> {
    DeadLetterId::parse(text).map_err(|_| {
        Failure::new(Code::NotFound, "no dead letter has this id")
            .because("an id begins with `inbound.` or `delivery.`")
            .try_this("`zupa dlq ls --state all` lists them")
    })
}

fn unknown(id: &str) -> Failure {
    Failure::new(Code::NotFound, format!("no dead letter has the id {id}"))
        .try_this("`zupa dlq ls --state all` lists them")
}

fn unusable((name, _, detail): zupa_http::conversations::Fault) -> Failure {
    let name = name.replace('_', "-");
    Failure::new(Code::Usage, format!("--{name} cannot be taken")).because(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_survives_the_way_to_the_server() {
        let filter = Wanted {
            content: Some("text".into()),
            tag: Some("a b&c=ü".into()),
            ..Wanted::default()
        };
        let query = query(&filter).unwrap();
        let mut fields: Vec<_> = query.split('&').collect();
        fields.sort_unstable();
        assert_eq!(fields, ["", "tag=a%20b%26c%3D%C3%BC", "type=text"]);
    }
}
