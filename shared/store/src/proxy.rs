//! The proxy that requests use. The SDKs of both clouds read the same variables; this reads them
//! for messages.

use std::env;

use hyper_util::client::proxy::matcher::Matcher;

/// The proxy between this machine and a URL, and the variable that names it: `the proxy
/// http://proxy:3128 (HTTPS_PROXY)`.
pub(crate) fn of(url: &str) -> Option<String> {
    through(&Matcher::from_env(), url, |name| env::var(name).is_ok_and(|value| !value.is_empty()))
}

fn through(matcher: &Matcher, url: &str, is_set: impl Fn(&str) -> bool) -> Option<String> {
    let proxy = matcher.intercept(&url.parse().ok()?)?;
    let (host, port) = (proxy.uri().host()?, proxy.uri().port_u16());
    let of_scheme = if url.starts_with("https:") { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] };
    let variable = of_scheme.into_iter().chain(["ALL_PROXY", "all_proxy"]).find(|name| is_set(name)).unwrap_or("ALL_PROXY");
    // Without user and password.
    let scheme = proxy.uri().scheme_str().unwrap_or("http");
    Some(format!("the proxy {scheme}://{host}{} ({variable})", port.map_or_else(String::new, |port| format!(":{port}"))))
}

/// What to do when the proxy refuses or loses a request.
pub(crate) const HINT: &str = "check that proxy, or add this host to NO_PROXY to bypass it";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_named_with_its_variable_and_without_its_password() {
        let matcher = Matcher::builder().https("http://user:hunter22@proxy:3128").all("http://other:8080").no("internal").build();
        let through = |url: &str| through(&matcher, url, |name| ["HTTPS_PROXY", "all_proxy"].contains(&name));
        assert_eq!(through("https://s3.eu-central-1.amazonaws.com").as_deref(), Some("the proxy http://proxy:3128 (HTTPS_PROXY)"));
        assert_eq!(through("http://minio:9000").as_deref(), Some("the proxy http://other:8080 (all_proxy)"));
        assert_eq!(through("https://minio.internal:9000"), None);
    }
}
