//! How the values of settings are written: one [`Form`] for each type, which parses a text, writes a
//! default, and describes both in the documents.
//!
//! An error continues a sentence after the quoted value and ends with what to write instead. No error
//! repeats the whole value, which may be a secret.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use super::setting::Fallback;
use super::weak_secret;
use crate::domain::dialect::{Dialect, Mount, PerDialect};
use crate::domain::jwt::KeySecret;
use crate::domain::password_rules::{Owner, judge_new_password};
use crate::domain::token::MAX_PREFIX_LENGTH;
use crate::domain::user::{ADMIN, Password};
use crate::store::diesel::DatabaseUrl;

/// The result of parsing a text.
pub(super) type Parsed<T> = Result<T, String>;

type Parse<T> = Box<dyn Fn(&str) -> Parsed<T>>;
type Show<T> = Box<dyn Fn(&T) -> Option<String>>;

/// The units that durations are shown in, in milliseconds, longest first.
const UNITS: [(&str, u128); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// The longest duration: 100 years, so that sums of times stay within the range of the calendar.
pub(super) const MAX_DURATION: Duration = Duration::from_secs(100 * 365 * 86_400);

/// How values of one type are written.
pub(super) struct Form<T> {
    /// What a value looks like, for the documents.
    pub(super) text: String,
    /// What the documents say about the default, if not the value itself.
    pub(super) computed: Option<&'static str>,
    /// Whether values are never shown, and can be read from a file.
    pub(super) secret: bool,
    /// Parses a text.
    pub(super) parse: Parse<T>,
    show: Show<T>,
}

impl<T: 'static> Form<T> {
    pub(super) fn new(
        text: impl Into<String>,
        parse: impl Fn(&str) -> Parsed<T> + 'static,
        show: impl Fn(&T) -> Option<String> + 'static,
    ) -> Self {
        Self { text: text.into(), computed: None, secret: false, parse: Box::new(parse), show: Box::new(show) }
    }

    /// Says that the default depends on the machine or on other settings, in these words.
    pub(super) fn computed(self, words: &'static str) -> Self {
        Self { computed: Some(words), ..self }
    }

    /// Says that values are never shown, and can be read from a file.
    pub(super) fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// The same texts for another type.
    pub(super) fn map<U: 'static>(self, into: impl Fn(T) -> U + 'static, back: impl Fn(&U) -> T + 'static) -> Form<U> {
        let Self { text, parse, show, .. } = self;
        Form::new(text, move |text| parse(text).map(&into), move |value| show(&back(value)))
    }

    /// The default as the documents show it.
    pub(super) fn fallback(&self, value: &T) -> Fallback {
        match self.computed {
            Some(words) => Fallback::Computed(words),
            None => (self.show)(value).map_or(Fallback::Unset, Fallback::Value),
        }
    }
}

/// A type that implements parsing and display.
pub(super) fn of<T: FromStr<Err = String> + Display + 'static>(text: &str) -> Form<T> {
    Form::new(text, T::from_str, |value| Some(value.to_string()))
}

/// `none`, in any case, or what `form` parses.
pub(super) fn optional<T: 'static>(form: Form<T>) -> Form<Option<T>> {
    let Form { text, parse, show, .. } = form;
    Form::new(
        format!("{text}, or none"),
        move |text| {
            if text.eq_ignore_ascii_case("none") {
                return Ok(None);
            }
            parse(text).map(Some).map_err(|problem| format!("{problem}, or none"))
        },
        move |value| value.as_ref().map_or_else(|| Some("none".to_owned()), &show),
    )
}

/// A duration within bounds.
pub(super) fn duration(bounds: RangeInclusive<Duration>) -> Form<Duration> {
    let (least, most) = (show_duration(*bounds.start()), show_duration(*bounds.end()));
    let text = if *bounds.end() < MAX_DURATION {
        format!("duration, {least} to {most}")
    } else if *bounds.start() > Duration::ZERO {
        format!("duration from {least}")
    } else {
        "duration".to_owned()
    };
    let parse = move |text: &str| match read_duration(text) {
        Some(duration) if bounds.contains(&duration) => Ok(duration),
        Some(_) => Err(format!("is out of bounds: write a duration from {least} to {most}")),
        None => {
            Err("is not a duration: write whole numbers with ms, s, m, h or d, such as 90s, 12h or 1h30m".to_owned())
        }
    };
    Form::new(text, parse, |value| Some(show_duration(*value)))
}

/// The lifetime of a token: at least 1 s.
pub(super) fn lifetime() -> Form<Duration> {
    duration(Duration::from_secs(1)..=MAX_DURATION)
}

/// Parses the lifetime of a token, or `none`.
///
/// # Errors
/// What is wrong with it, and what to write instead; the text itself is not repeated.
pub fn parse_time_to_live(text: &str) -> Result<Option<Duration>, String> {
    (optional(lifetime()).parse)(text)
}

/// Parses a duration within bounds.
///
/// # Errors
/// What is wrong with it, and what to write instead; the text itself is not repeated.
pub fn parse_duration(text: &str, bounds: RangeInclusive<Duration>) -> Result<Duration, String> {
    (duration(bounds).parse)(text)
}

/// Days have 24 hours. Months and years have no fixed length and are refused.
fn read_duration(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let duration = Duration::try_from(span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?).ok()?;
    duration.subsec_nanos().is_multiple_of(1_000_000).then_some(duration)
}

/// Writes a duration in the syntax that is parsed, with the largest unit that fits.
pub fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let unit = UNITS.iter().find(|(_, unit)| millis != 0 && millis.is_multiple_of(*unit));
    unit.map_or_else(|| "0s".to_owned(), |(name, unit)| format!("{}{name}", millis / unit))
}

/// A whole number within bounds.
pub(super) fn number<T>(bounds: RangeInclusive<T>) -> Form<T>
where
    T: FromStr + PartialOrd + Display + 'static,
{
    let range = format!("{} to {}", bounds.start(), bounds.end());
    Form::new(
        format!("number, {range}"),
        move |text| {
            let number = whole(text).filter(|number| bounds.contains(number));
            number.ok_or_else(|| format!("is not in range: write a whole number from {range}"))
        },
        |value| Some(value.to_string()),
    )
}

/// A number that consists only of digits: no sign, no spaces.
fn whole<T: FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// `true` or `false`, and their common synonyms.
pub(super) fn boolean() -> Form<bool> {
    let parse = |text: &str| match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("is neither yes nor no: write true or false".to_owned()),
    };
    Form::new("true or false", parse, |value| Some(value.to_string()))
}

/// A number of bytes within bounds, with or without a unit.
pub(super) fn size(bounds: RangeInclusive<usize>) -> Form<usize> {
    let range = format!("{} to {}", show_size(*bounds.start()), show_size(*bounds.end()));
    Form::new(
        format!("bytes, KiB or MiB; {range}"),
        move |text| {
            let units = [("KiB", 1024), ("MiB", 1024 * 1024)];
            let unit = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)));
            let (digits, unit) = unit.unwrap_or((text, 1));
            let bytes = whole::<usize>(digits).and_then(|number| number.checked_mul(unit));
            bytes
                .filter(|bytes| bounds.contains(bytes))
                .ok_or_else(|| format!("is not a size in range: write bytes, KiB or MiB from {range}, such as 16KiB"))
        },
        |value| Some(show_size(*value)),
    )
}

fn show_size(bytes: usize) -> String {
    if bytes.is_multiple_of(1024 * 1024) {
        format!("{}MiB", bytes / (1024 * 1024))
    } else if bytes.is_multiple_of(1024) {
        format!("{}KiB", bytes / 1024)
    } else {
        bytes.to_string()
    }
}

/// One of these words, in any case.
pub(super) fn one_of<T: Copy + PartialEq + 'static>(words: impl Into<Vec<(&'static str, T)>>) -> Form<T> {
    let words = words.into();
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let names = match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        Some(_) | None => names.concat(),
    };
    let shown = words.clone();
    Form::new(
        names.clone(),
        move |text| {
            let value = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, value)| *value);
            value.ok_or_else(|| format!("is none of these: write {names}"))
        },
        move |value| shown.iter().find(|(_, one)| one == value).map(|(word, _)| (*word).to_owned()),
    )
}

/// The entries of a comma-separated list, without the spaces around them. An empty text has none.
pub(super) fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(move |_| !text.trim().is_empty())
}

/// A comma-separated list of values that `read` parses, without duplicates according to `same`. An error
/// of `read` continues a sentence after "which".
pub(super) fn list<T: 'static>(
    text: impl Into<String>,
    read: impl Fn(&str) -> Parsed<T> + 'static,
    same: impl Fn(&T, &T) -> bool + 'static,
    show: impl Fn(&T) -> String + 'static,
) -> Form<Vec<T>> {
    Form::new(
        text,
        move |text| {
            let mut values = Vec::new();
            for entry in entries(text) {
                let value = read(entry).map_err(|problem| format!("holds {entry:?}, which {problem}"))?;
                if values.iter().any(|known| same(known, &value)) {
                    return Err(format!("names {entry} twice: remove one of them"));
                }
                values.push(value);
            }
            Ok(values)
        },
        move |values| Some(values.iter().map(&show).collect::<Vec<_>>().join(",")),
    )
}

/// The dialects that are enabled. Reading it resets everything else about dialects to its default, so
/// its setting comes before theirs.
pub(super) fn dialects() -> Form<PerDialect<Mount>> {
    let names = Dialect::ALL.map(Dialect::as_str).join(", ");
    let text = format!("comma list of {names}");
    let read = move |name: &str| {
        Dialect::from_name(&name.to_ascii_lowercase()).ok_or_else(|| format!("is not a dialect: write some of {names}"))
    };
    let enabled = list(text, read, |a: &Dialect, b| a == b, |dialect| dialect.as_str().to_owned());
    enabled.map(
        |enabled| {
            PerDialect::from_fn(|dialect| Mount { enabled: enabled.contains(&dialect), ..Mount::default_of(dialect) })
        },
        |mounts: &PerDialect<Mount>| Dialect::ALL.into_iter().filter(|dialect| mounts.get(*dialect).enabled).collect(),
    )
}

/// Keywords that announce a token: HTTP tokens (RFC 9110, section 5.6.2), compared without case
/// (RFC 9110, section 11.1).
pub(super) fn keywords() -> Form<Vec<String>> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let read = move |word: &str| {
        if !word.is_empty() && word.bytes().all(fits) {
            return Ok(word.to_owned());
        }
        Err("cannot be used in an Authorization header: write words without spaces, such as Token, with commas between"
            .to_owned())
    };
    let text = "comma list of words of letters, digits and !#$%&'*+-.^_`|~";
    list(text, read, |a: &String, b| a.eq_ignore_ascii_case(b), Clone::clone)
}

/// Text that `fits`; otherwise `remedy` says what to write.
fn text(form: &str, fits: impl Fn(&str) -> bool + 'static, remedy: impl Into<String>) -> Form<String> {
    let remedy = remedy.into();
    let parse = move |text: &str| if fits(text) { Ok(text.to_owned()) } else { Err(remedy.clone()) };
    Form::new(form, parse, |value| Some(value.clone()))
}

/// A filter in the syntax of `env_logger`, but without bare module names: a mistyped level
/// would be taken for one, and silence the log.
pub(super) fn log_filter() -> Form<String> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.');
    let is_known = move |part: &str| {
        let (target, level) = part.split_once('=').unwrap_or(("", part));
        target.trim().chars().all(is_path) && level.trim().parse::<log::LevelFilter>().is_ok()
    };
    let fits = move |text: &str| {
        let levels = text.split_once('/').map_or(text, |(levels, _)| levels);
        levels.split(',').all(is_known) && env_filter::Builder::new().try_parse(text).is_ok()
    };
    text(
        "error, warn, info, debug, trace, off; or a list such as info,knoxide=debug",
        fits,
        "is not a log filter: write a level (error, warn, info, debug, trace, off) or a list such as info,knoxide=debug",
    )
}

/// The address of a database.
pub(super) fn database_url() -> Form<DatabaseUrl> {
    let form = "sqlite://path or postgres://user:password@host/database";
    Form::new(form, str::parse, |url: &DatabaseUrl| Some(url.redacted())).secret()
}

/// The prefix of tokens.
pub(super) fn token_prefix() -> Form<String> {
    let form = format!("up to {MAX_PREFIX_LENGTH} printable ASCII characters without spaces");
    let fits = |text: &str| text.len() <= MAX_PREFIX_LENGTH && text.bytes().all(|byte| byte.is_ascii_graphic());
    let remedy =
        format!("cannot begin a token: write at most {MAX_PREFIX_LENGTH} printable ASCII characters without spaces");
    text(&form, fits, remedy)
}

/// The prefix of paths: empty, or segments of characters that need no escaping and have no
/// meaning to a router (RFC 3986, section 2.3).
pub(super) fn path_prefix() -> Form<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let segment = move |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(plain);
    let is_path = move |text: &str| text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment));
    text(
        "a path such as /v1, without a final slash; or empty",
        move |text| text.len() <= 200 && (text.is_empty() || is_path(text)),
        "cannot begin a path: write /name or /name/name of letters, digits, - . _ and ~, without a final slash; or nothing",
    )
}

/// A secret to sign with: at least as long as its signatures (RFC 7518, section 3.2), and not
/// easily guessed by a client who has a token and the time to try.
pub(super) fn jwt_secret() -> Form<Option<KeySecret>> {
    let parse = |text: &str| {
        let problem = if text.len() < 32 { Some("is shorter than 32 bytes") } else { weak_secret::why(text) };
        match problem {
            Some(problem) => {
                Err(format!("{problem}: take what `openssl rand -base64 48` prints, the same on every node"))
            }
            None => Ok(Some(KeySecret::new(text.as_bytes().to_vec()))),
        }
    };
    Form::new("at least 32 bytes of text", parse, |_| None).secret()
}

/// The password of the first user.
pub(super) fn admin_password() -> Form<Option<Password>> {
    let parse = |text: &str| {
        let password = Password::new(text.to_owned());
        match judge_new_password(&password, &Owner { username: ADMIN, email: "" }) {
            Ok(()) => Ok(Some(password)),
            Err(weak) => Err(format!("is refused, since {weak}: choose another one")),
        }
    };
    let form = "at least 8 characters, no white space at the ends, neither a common password nor like the name `admin`";
    Form::new(form, parse, |_| None).secret()
}
