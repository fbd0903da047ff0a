//! The integration tests, in one binary, so that there is only one to link.

#[cfg(test)]
mod admin_api;
#[cfg(test)]
mod admin_scale;
#[cfg(test)]
mod administration;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod blacklist;
#[cfg(test)]
mod browsers;
#[cfg(test)]
mod by_hand;
#[cfg(test)]
mod cache;
#[cfg(test)]
mod client_packages;
#[cfg(feature = "conformance")]
#[cfg(test)]
mod clients;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod compare;
#[cfg(feature = "conformance")]
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod contract;
#[cfg(test)]
#[cfg(test)]
mod dialects;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod embed;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod forward_auth;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod harness;
#[cfg(feature = "conformance")]
#[cfg(test)]
mod history;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod idle;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod knox;
#[cfg(feature = "postgres")]
#[cfg(test)]
mod languages;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod mass_ends;
#[cfg(test)]
mod model;
#[cfg(test)]
mod mounting;
#[cfg(test)]
mod nginx;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod offline;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod outage;
#[cfg(feature = "pages")]
#[cfg(test)]
mod pages;
#[cfg(test)]
mod password;
#[cfg(test)]
mod program;
#[cfg(test)]
mod races;
#[cfg(test)]
mod reconnect;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod schema;
#[cfg(feature = "conformance")]
#[cfg(test)]
mod secrecy;
#[cfg(test)]
mod self_service;
#[cfg(test)]
mod selftest;
#[cfg(feature = "pages")]
#[cfg(test)]
mod surfaces;
#[cfg(test)]
mod throttle;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod users;
