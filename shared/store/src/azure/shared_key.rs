//! Signing with an account key, as documented in
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::base64;
use azure_core::http::headers::{AUTHORIZATION, HeaderName, MS_DATE};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request};
use azure_core::time::{OffsetDateTime, to_rfc7231};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The standard headers that are signed, in the order of the signature.
const SIGNED: [&str; 11] = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// Signs each try of each request again: the signature includes the time, and Azure refuses an old
/// one.
pub(super) struct SharedKeyPolicy {
    account: String,
    key: Vec<u8>,
}

impl SharedKeyPolicy {
    /// A policy for `account`, with its key in base64 as in connection strings.
    pub(super) fn new(account: String, key: &str) -> azure_core::Result<Self> {
        Ok(Self { account, key: base64::decode(key)? })
    }

    fn authorization(&self, request: &Request) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("an HMAC key can have any length");
        mac.update(string_to_sign(request, &self.account).as_bytes());
        format!("SharedKey {}:{}", self.account, base64::encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SharedKeyPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedKeyPolicy").field("account", &self.account).finish_non_exhaustive()
    }
}

#[async_trait]
impl Policy for SharedKeyPolicy {
    #[allow(elided_lifetimes_in_paths, reason = "async_trait needs the signature as the trait has it")]
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        request.insert_header(MS_DATE, to_rfc7231(&OffsetDateTime::now_utc()));
        let authorization = self.authorization(request);
        request.insert_header(AUTHORIZATION, authorization);
        next[0].send(ctx, request, &next[1..]).await
    }
}

fn string_to_sign(request: &Request, account: &str) -> String {
    let mut text = format!("{}\n", request.method());
    for name in SIGNED {
        text += &signed_value(request, name);
        text.push('\n');
    }
    text + &canonicalized_headers(request) + &canonicalized_resource(request, account)
}

fn signed_value(request: &Request, name: &'static str) -> String {
    match name {
        // No body is written as an empty string.
        "content-length" => request.body().len().filter(|len| *len > 0).map(|len| len.to_string()).unwrap_or_default(),
        // `x-ms-date` replaces it.
        "date" => String::new(),
        name => request.headers().get_optional_str(&HeaderName::from_static(name)).unwrap_or_default().trim().to_owned(),
    }
}

/// Every `x-ms-` header, by name.
fn canonicalized_headers(request: &Request) -> String {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str().to_ascii_lowercase(), value.as_str().trim()));
    let sorted: BTreeMap<_, _> = headers.filter(|(name, _)| name.starts_with("x-ms-")).collect();
    sorted.iter().map(|(name, value)| format!("{name}:{value}\n")).collect()
}

/// The account, the path as encoded in the request (on an emulator it begins with the account
/// again), and every parameter: decoded, sorted by name, the values of one name sorted too.
fn canonicalized_resource(request: &Request, account: &str) -> String {
    let url = request.url();
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url.query_pairs() {
        parameters.entry(name.to_lowercase()).or_default().push(value.into_owned());
    }
    let mut text = format!("/{account}{}", url.path());
    for (name, mut values) in parameters {
        values.sort();
        let _ = write!(text, "\n{name}:{}", values.join(","));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use azure_core::http::{Method, Url};

    use super::*;

    const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    fn request(method: Method, url: &str, headers: &[(&'static str, &'static str)]) -> Request {
        let mut request = Request::new(Url::parse(url).unwrap(), method);
        request.insert_header("x-ms-version", "2026-04-06");
        request.insert_header("x-ms-date", "Mon, 23 Nov 2026 18:00:00 GMT");
        request.insert_header("x-ms-client-request-id", "0f8fad5b-d9cb-469f-a165-70867728950e");
        headers.iter().for_each(|&(name, value)| request.insert_header(name, value));
        request
    }

    fn signed(account: &str, request: &Request) -> String {
        SharedKeyPolicy::new(account.into(), KEY).unwrap().authorization(request)
    }

    /// The signatures in these tests were calculated with azure-storage-blob for Python 12 (the
    /// range, which that library sends in another header, by hand).
    #[test]
    fn an_upload_is_signed_with_its_length_and_condition() {
        let url = "https://acme.blob.core.windows.net/backups/orders%2F0%2F00000000000000000000.tar.gz";
        let headers = [
            ("content-length", "5"),
            ("content-type", "application/octet-stream"),
            ("if-none-match", "*"),
            ("x-ms-blob-type", "BlockBlob"),
            ("x-ms-content-crc64", "AAAAAAAAAAA="),
        ];
        let mut request = request(Method::Put, url, &headers);
        request.set_body("12345");
        assert_eq!(
            string_to_sign(&request, "acme"),
            "PUT\n\n\n5\n\napplication/octet-stream\n\n\n\n*\n\n\nx-ms-blob-type:BlockBlob\n\
             x-ms-client-request-id:0f8fad5b-d9cb-469f-a165-70867728950e\nx-ms-content-crc64:AAAAAAAAAAA=\n\
             x-ms-date:Mon, 23 Nov 2026 18:00:00 GMT\nx-ms-version:2026-04-06\n/acme/backups/orders%2F0%2F00000000000000000000.tar.gz"
        );
        assert_eq!(signed("acme", &request), "SharedKey acme:qgbUO5NBoNmEazyd6uvxMA0J+0YuLkQYw+XQNZ8QLp8=");
    }

    #[test]
    fn a_read_is_signed_with_its_range_and_condition() {
        let headers = [("range", "bytes=0-99"), ("if-match", "\"0x8D\"")];
        let request = request(Method::Get, "https://acme.blob.core.windows.net/backups/a", &headers);
        assert_eq!(signed("acme", &request), "SharedKey acme:Xoyxj7rSczbAJHLy1uN/2bcHluNrpSLdnrSTe1lLij8=");
    }

    #[test]
    fn parameters_are_signed_decoded_and_in_order() {
        let url = "https://acme.blob.core.windows.net/backups\
                   ?restype=container&comp=list&prefix=a%20b%2F%2B%26%C3%BC&maxresults=3&startFrom=a+b%2Fx";
        let request = request(Method::Get, url, &[]);
        assert!(
            string_to_sign(&request, "acme")
                .ends_with("\n/acme/backups\ncomp:list\nmaxresults:3\nprefix:a b/+&ü\nrestype:container\nstartfrom:a b/x")
        );
        assert_eq!(signed("acme", &request), "SharedKey acme:TuoWXQYpIxz/F5pZsYYE1AwDZFdhd2WvzdrtDJshk0U=");
    }

    #[test]
    fn an_emulators_account_is_there_twice() {
        let request = request(Method::Delete, "http://127.0.0.1:10000/devstoreaccount1/backups/a", &[]);
        assert!(string_to_sign(&request, "devstoreaccount1").ends_with("\n/devstoreaccount1/devstoreaccount1/backups/a"));
        assert_eq!(signed("devstoreaccount1", &request), "SharedKey devstoreaccount1:B3HEcoVeJSe8BJOoeAifuNCDQt+WuHczkGbJcXEpr7s=");
    }
}
