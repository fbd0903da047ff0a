//! From texts to values. Each function's error goes on after the quoted value, and ends with
//! what to write instead; none of them repeats the value, which may be a secret.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use super::{ContractMode, ListenAddress, LogFormat, TrustedProxies};
use crate::dialect::Dialect;
use crate::jwt::{Algorithm, KeySecret};
use crate::policy::TokenForm;
use crate::store::LimitPolicy;
use crate::token::MAX_PREFIX_LENGTH;

/// What a parsing function answers.
pub(super) type Parsed<T> = Result<T, String>;

/// The units of durations, in milliseconds; longer names first, since `ms` ends with `s`.
const DURATION_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// The longest duration: 100 years, so that no sum of times leaves the calendar.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The longest path that fits into a Unix socket's address, in bytes.
const MAX_SOCKET_PATH: usize = 107;

/// Reads a duration: a whole number and `ms`, `s`, `m`, `h` or `d`, such as `90s` or `30d`.
///
/// # Errors
/// What is wrong with it, and what to write instead; the text itself is not repeated.
pub fn duration(text: &str) -> Result<Duration, String> {
    let unit = DURATION_UNITS.iter().find_map(|(name, millis)| Some((text.strip_suffix(name)?, *millis)));
    let millis = unit.and_then(|(digits, millis)| whole::<u64>(digits)?.checked_mul(millis));
    let Some(millis) = millis else {
        return Err("is no duration: write a whole number and ms, s, m, h or d, such as 90s, 12h or 30d".to_owned());
    };
    let duration = Duration::from_millis(millis);
    if duration > LONGEST {
        return Err("is too long: write at most 36500d, or none where that is allowed".to_owned());
    }
    Ok(duration)
}

/// Reads a duration from 1 s, or `none`: how long a token is good.
///
/// # Errors
/// As [`duration`].
pub fn time_to_live(text: &str) -> Result<Option<Duration>, String> {
    optional(text, lifetime)
}

/// A duration from 1 s.
pub(super) fn lifetime(text: &str) -> Parsed<Duration> {
    duration_in(text, Duration::from_secs(1)..=LONGEST)
}

/// Writes a duration as [`duration`] reads it, with the largest unit that fits.
pub fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let unit = DURATION_UNITS.iter().rev().find(|(_, unit)| millis.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{millis}ms"), |(name, unit)| format!("{}{name}", millis / unit))
}

/// A duration within bounds.
pub(super) fn duration_in(text: &str, bounds: RangeInclusive<Duration>) -> Parsed<Duration> {
    let duration = duration(text)?;
    if bounds.contains(&duration) {
        return Ok(duration);
    }
    let (least, most) = (show_duration(*bounds.start()), show_duration(*bounds.end()));
    Err(format!("is out of bounds: write a duration from {least} to {most}"))
}

/// `none`, or what `parse` reads.
pub(super) fn optional<T>(text: &str, parse: impl FnOnce(&str) -> Parsed<T>) -> Parsed<Option<T>> {
    if text == "none" { Ok(None) } else { parse(text).map(Some) }
}

/// A whole number within bounds.
pub(super) fn number<T: FromStr + PartialOrd + std::fmt::Display>(text: &str, bounds: RangeInclusive<T>) -> Parsed<T> {
    whole(text)
        .filter(|number| bounds.contains(number))
        .ok_or_else(|| format!("is no such number: write a whole number from {} to {}", bounds.start(), bounds.end()))
}

/// A number of digits alone: no sign, no spaces.
fn whole<T: FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// `true` or `false`, and how else people write them.
pub(super) fn boolean(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("is neither yes nor no: write true or false".to_owned()),
    }
}

/// A size from 1 KiB to 16 MiB.
pub(super) fn body_limit(text: &str) -> Parsed<usize> {
    size(text, 1024..=16 * 1024 * 1024)
        .ok_or_else(|| "is no such size: write bytes, KiB or MiB from 1KiB to 16MiB, such as 16KiB".to_owned())
}

/// A size from 4 KiB to 96 KiB.
pub(super) fn head_limit(text: &str) -> Parsed<usize> {
    size(text, 4 * 1024..=96 * 1024)
        .ok_or_else(|| "is no such size: write bytes or KiB from 4KiB to 96KiB, such as 32KiB".to_owned())
}

/// A number of bytes, with or without a unit.
fn size(text: &str, allowed: RangeInclusive<usize>) -> Option<usize> {
    let (digits, unit) = if let Some(digits) = text.strip_suffix("KiB") {
        (digits, 1024)
    } else if let Some(digits) = text.strip_suffix("MiB") {
        (digits, 1024 * 1024)
    } else {
        (text, 1)
    };
    whole::<usize>(digits).and_then(|number| number.checked_mul(unit)).filter(|bytes| allowed.contains(bytes))
}

/// `plain` or `json`.
pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "plain" => Ok(LogFormat::Plain),
        "json" => Ok(LogFormat::Json),
        _ => Err("is no form of log: write plain or json".to_owned()),
    }
}

/// A filter that `env_logger` understands, without its bare module names: a mistyped level
/// would be one, and silence the log.
pub(super) fn log_filter(text: &str) -> Parsed<String> {
    let levels = text.split_once('/').map_or(text, |(levels, _)| levels);
    let known = levels.split(',').all(|part| {
        let (target, level) = part.split_once('=').unwrap_or(("", part));
        let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.');
        target.trim().chars().all(is_path) && level.trim().parse::<log::LevelFilter>().is_ok()
    });
    if known && env_filter::Builder::new().try_parse(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err("is no log filter: write a level (error, warn, info, debug, trace, off) or a list such as info,knoxide=debug"
        .to_owned())
}

/// `seed` or `package`.
pub(super) fn contract(text: &str) -> Parsed<ContractMode> {
    match text {
        "seed" => Ok(ContractMode::Seed),
        "package" => Ok(ContractMode::Package),
        _ => Err("is no contract: write seed or package".to_owned()),
    }
}

/// `reject` or `evict_oldest`.
pub(super) fn limit_policy(text: &str) -> Parsed<LimitPolicy> {
    match text {
        "reject" => Ok(LimitPolicy::Reject),
        "evict_oldest" => Ok(LimitPolicy::EvictOldest),
        _ => Err("is no policy: write reject or evict_oldest".to_owned()),
    }
}

/// What tokens begin with.
pub(super) fn token_prefix(text: &str) -> Parsed<String> {
    if text.len() <= MAX_PREFIX_LENGTH && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(format!("cannot begin a token: write at most {MAX_PREFIX_LENGTH} printable ASCII characters without spaces"))
}

/// Words to stand before a token: HTTP tokens (RFC 9110, section 5.6.2), none of them twice.
pub(super) fn keywords(text: &str) -> Parsed<Vec<String>> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let mut words: Vec<String> = Vec::new();
    for word in entries(text) {
        if word.is_empty() || !word.bytes().all(fits) {
            return Err(
                "cannot stand in an Authorization header: write words without spaces, such as Token, with commas \
                        between"
                    .to_owned(),
            );
        }
        // Letter case makes no other scheme of it (RFC 9110, section 11.1).
        if words.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            return Err(format!("names {word} twice: take one of them out"));
        }
        words.push(word.to_owned());
    }
    Ok(words)
}

/// Dialects, at least one, none of them twice.
pub(super) fn dialects(text: &str) -> Parsed<Vec<Dialect>> {
    let mut dialects = Vec::new();
    for name in entries(text) {
        let Some(dialect) = Dialect::from_name(name) else {
            let names = Dialect::ALL.map(Dialect::as_str).join(", ");
            return Err(format!("holds {name:?}, which is no dialect: write some of {names}"));
        };
        if dialects.contains(&dialect) {
            return Err(format!("names {name} twice: take one of them out"));
        }
        dialects.push(dialect);
    }
    Ok(dialects)
}

/// What paths begin with: nothing, or segments of characters that need no escaping and mean
/// nothing to a router (RFC 3986, section 2.3).
pub(super) fn path_prefix(text: &str) -> Parsed<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let segment = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(plain);
    let fits = text.is_empty() || text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment));
    if fits && text.len() <= 200 {
        return Ok(text.to_owned());
    }
    Err("cannot begin a path: write /name or /name/name of letters, digits, - . _ and ~, without a final slash; or \
         nothing"
        .to_owned())
}

/// `opaque` or `jwt`.
pub(super) fn token_form(text: &str) -> Parsed<TokenForm> {
    match text {
        "opaque" => Ok(TokenForm::Opaque),
        "jwt" => Ok(TokenForm::Jwt),
        _ => Err("is no form of token: write opaque or jwt".to_owned()),
    }
}

/// The name of an algorithm.
pub(super) fn algorithm(text: &str) -> Parsed<Algorithm> {
    let names = || Algorithm::ALL.map(Algorithm::as_str).join(", ");
    Algorithm::from_name(text).ok_or_else(|| format!("is no algorithm: write one of {}", names()))
}

/// A secret to sign with: no shorter than what it makes (RFC 7518, section 3.2), and not one of those
/// that are tried first by who has a token and the time to guess.
pub(super) fn jwt_secret(text: &str) -> Parsed<KeySecret> {
    let problem = if text.len() < 32 { Some("is shorter than 32 bytes") } else { super::weak_secret::why(text) };
    if let Some(problem) = problem {
        return Err(format!("{problem}: take what `openssl rand -base64 48` prints, the same on every node"));
    }
    Ok(KeySecret::new(text.as_bytes().to_vec()))
}

/// The entries of a comma list, without the spaces around them. An empty text has none.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(move |_| !text.trim().is_empty())
}

/// Addresses to listen on, at least one, none of them twice.
pub(super) fn listen(text: &str) -> Parsed<Vec<ListenAddress>> {
    let mut addresses = Vec::new();
    for entry in entries(text) {
        let address = listen_address(entry)?;
        if addresses.contains(&address) {
            return Err(format!("names {address} twice: take one of them out"));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

fn listen_address(entry: &str) -> Parsed<ListenAddress> {
    if let Some(path) = entry.strip_prefix("unix:") {
        if !path.starts_with('/') || path.len() > MAX_SOCKET_PATH || path.contains('\0') {
            return Err(format!(
                "holds {entry:?}, which is no socket: write unix: and an absolute path of at most {MAX_SOCKET_PATH} bytes"
            ));
        }
        return Ok(ListenAddress::Unix(PathBuf::from(path)));
    }
    entry.parse::<SocketAddr>().map(ListenAddress::Tcp).map_err(|_| {
        format!(
            "holds {entry:?}, which is no address: write ip:port, [ipv6]:port or unix:/path, such as 127.0.0.1:8080, \
             0.0.0.0:8080 (every IPv4 address) or [::]:8080"
        )
    })
}

/// The mode of a socket, which has no bits but those for owner, group and others.
pub(super) fn socket_mode(text: &str) -> Parsed<u32> {
    let is_octal = text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
    mode.ok_or_else(|| "is no mode of a socket: write three octal digits, such as 660 or 666".to_owned())
}

/// Networks of proxies, single addresses, and `unix`.
pub(super) fn trusted_proxies(text: &str) -> Parsed<TrustedProxies> {
    let mut trusted = TrustedProxies::default();
    for entry in entries(text) {
        if entry == "unix" {
            trusted.unix = true;
        } else if let Ok(network) = entry.parse::<IpNet>() {
            trusted.networks.push(network.trunc());
        } else if let Ok(address) = entry.parse::<IpAddr>() {
            trusted.networks.push(IpNet::from(address));
        } else {
            return Err(format!(
                "holds {entry:?}, which is no network: write networks such as 10.0.0.0/8 or fd00::/8, single addresses, \
                 or unix"
            ));
        }
    }
    Ok(trusted)
}
