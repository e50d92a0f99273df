//! AZURE_STORAGE_CONNECTION_STRING, as documented in
//! <https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string>.

use azure_core::base64;
use azure_core::http::Url;
use kernel::Secret;

/// The account and key of every emulator, published in Azurite's manual.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const EMULATOR_PORT: u16 = 10000;

/// The parts that are used, in the order in which messages name them.
const PARTS: [&str; 8] = [
    "AccountName",
    "AccountKey",
    "SharedAccessSignature",
    "BlobEndpoint",
    "EndpointSuffix",
    "DefaultEndpointsProtocol",
    "UseDevelopmentStorage",
    "DevelopmentStorageProxyUri",
];

/// Parts for the account's other services. The portal includes them; they are irrelevant for blobs.
const OTHER_SERVICES: [&str; 8] = [
    "BlobSecondaryEndpoint",
    "FileEndpoint",
    "FileSecondaryEndpoint",
    "QueueEndpoint",
    "QueueSecondaryEndpoint",
    "TableEndpoint",
    "TableSecondaryEndpoint",
    "DfsEndpoint",
];

/// A connection string, parsed and complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionString {
    /// The account's blob endpoint, without a trailing slash: `https://NAME.blob.core.windows.net`.
    pub(super) endpoint: String,
    pub(super) access: Access,
}

/// How requests are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Access {
    /// An account key in base64. It allows everything in the account.
    Key { account: String, key: Secret },
    /// A shared access signature, without a leading question mark.
    Sas(Secret),
}

impl ConnectionString {
    /// Parses a connection string.
    ///
    /// # Errors
    /// Which part is missing, duplicated or wrong. Never repeats a value, because any value can be
    /// the secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = Parts::split(text)?;
        match parts.get("UseDevelopmentStorage") {
            Some(value) if value.eq_ignore_ascii_case("true") => parts.emulator(),
            Some(_) => Err("UseDevelopmentStorage can only be true".into()),
            None => parts.account(),
        }
    }
}

/// The parts as written, each at most once.
struct Parts<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, String> {
        let mut parts = Vec::new();
        for (at, part) in text.split(';').map(str::trim).enumerate().filter(|(_, part)| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| format!("part {} is not of the form Name=value", at + 1))?;
            let known = PARTS.iter().chain(&OTHER_SERVICES).find(|known| known.eq_ignore_ascii_case(key.trim()));
            // Unknown names are not repeated either: one can be the rest of a key that was cut in
            // two.
            let known = *known.ok_or_else(|| format!("part {} has an unknown name; the known names are {}", at + 1, PARTS.join(", ")))?;
            if parts.iter().any(|(key, _)| *key == known) {
                return Err(format!("{known} occurs twice"));
            }
            if value.trim().is_empty() {
                return Err(format!("{known} is empty"));
            }
            parts.push((known, value.trim()));
        }
        if parts.is_empty() {
            return Err("it is empty".into());
        }
        Ok(Self(parts))
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    fn emulator(&self) -> Result<ConnectionString, String> {
        if let Some((key, _)) = self.0.iter().find(|(key, _)| !matches!(*key, "UseDevelopmentStorage" | "DevelopmentStorageProxyUri")) {
            return Err(format!("{key} cannot be combined with UseDevelopmentStorage=true, which sets account and key itself"));
        }
        let mut url = endpoint("DevelopmentStorageProxyUri", self.get("DevelopmentStorageProxyUri").unwrap_or("http://127.0.0.1"))?;
        if url.port().is_none() {
            // Cannot fail: the URL has a host.
            let _ = url.set_port(Some(EMULATOR_PORT));
        }
        url.set_path(EMULATOR_ACCOUNT);
        let access = Access::Key { account: EMULATOR_ACCOUNT.into(), key: Secret::new(EMULATOR_KEY) };
        Ok(ConnectionString { endpoint: url.into(), access })
    }

    fn account(&self) -> Result<ConnectionString, String> {
        if self.get("DevelopmentStorageProxyUri").is_some() {
            return Err("DevelopmentStorageProxyUri requires UseDevelopmentStorage=true".into());
        }
        let access = self.access()?;
        let endpoint = match self.get("BlobEndpoint") {
            Some(url) => endpoint("BlobEndpoint", url)?,
            None => self.public_endpoint()?,
        };
        Ok(ConnectionString { endpoint: endpoint.as_str().trim_end_matches('/').to_owned(), access })
    }

    fn access(&self) -> Result<Access, String> {
        match (self.get("AccountName"), self.get("AccountKey"), self.get("SharedAccessSignature")) {
            (_, Some(_), Some(_)) => Err("AccountKey and SharedAccessSignature are both set: remove one".into()),
            (_, None, None) => Err("AccountKey is missing (or, instead of a key, SharedAccessSignature)".into()),
            (None, Some(_), None) => Err("AccountName is missing: an AccountKey requires it".into()),
            (Some(account), Some(key), None) => match base64::decode(key) {
                Ok(_) => Ok(Access::Key { account: account.to_owned(), key: Secret::new(key) }),
                Err(_) => Err("AccountKey is not base64: it is truncated, or something was added to it".into()),
            },
            (_, None, Some(sas)) => {
                let sas = sas.trim_start_matches('?');
                match sas.split('&').any(|field| field.starts_with("sig=")) {
                    true => Ok(Access::Sas(Secret::new(sas))),
                    false => Err("SharedAccessSignature has no field sig: it is truncated".into()),
                }
            }
        }
    }

    fn public_endpoint(&self) -> Result<Url, String> {
        let account = self.get("AccountName").ok_or("BlobEndpoint or AccountName is missing: set one to name the account")?;
        if !account.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            return Err("AccountName is not a valid name of a storage account: use lower-case letters and digits".into());
        }
        let protocol = self.get("DefaultEndpointsProtocol").unwrap_or("https");
        if !["http", "https"].contains(&protocol) {
            return Err("DefaultEndpointsProtocol can only be https or http".into());
        }
        let suffix = self.get("EndpointSuffix").unwrap_or("core.windows.net");
        endpoint("EndpointSuffix", &format!("{protocol}://{account}.blob.{suffix}"))
    }
}

/// Parses the URL of a blob endpoint; `part` names it in errors.
pub(super) fn endpoint(part: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{part} is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(format!("{part} is not a URL that begins with https:// (or http://)"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{part} has more than a host and a path; put a signature into SharedAccessSignature"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const KEY: &str = "bm90IGEgcmVhbCBrZXk=";

    fn endpoint_of(text: &str) -> String {
        ConnectionString::parse(text).unwrap().endpoint
    }

    fn fault(text: &str) -> String {
        ConnectionString::parse(text).unwrap_err()
    }

    #[test]
    fn the_form_the_portal_hands_out() {
        let text = format!("DefaultEndpointsProtocol=https;AccountName=acme1;AccountKey={KEY};EndpointSuffix=core.windows.net");
        let parsed = ConnectionString::parse(&text).unwrap();
        assert_eq!(parsed.endpoint, "https://acme1.blob.core.windows.net");
        assert_eq!(parsed.access, Access::Key { account: "acme1".into(), key: Secret::new(KEY) });
        assert!(!format!("{parsed:?}").contains(KEY));
    }

    #[test]
    fn the_endpoint_comes_from_what_is_there() {
        assert_eq!(endpoint_of(&format!("AccountName=acme;AccountKey={KEY}")), "https://acme.blob.core.windows.net");
        assert_eq!(
            endpoint_of(&format!(" accountname=acme ; ACCOUNTKEY={KEY} ;EndpointSuffix=core.chinacloudapi.cn; ")),
            "https://acme.blob.core.chinacloudapi.cn"
        );
        assert_eq!(
            endpoint_of(&format!("AccountName=acme;AccountKey={KEY};DefaultEndpointsProtocol=http")),
            "http://acme.blob.core.windows.net"
        );
        let local = format!(
            "AccountName=acme;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:10000/acme/;QueueEndpoint=http://127.0.0.1:10001/acme"
        );
        assert_eq!(endpoint_of(&local), "http://127.0.0.1:10000/acme");
    }

    #[test]
    fn a_shared_access_signature_needs_no_account_name() {
        let text = "BlobEndpoint=https://acme.blob.core.windows.net/;SharedAccessSignature=?sv=2026-04-06&se=2027-01-01&sig=a%2Bb%3D";
        let parsed = ConnectionString::parse(text).unwrap();
        assert_eq!(parsed.endpoint, "https://acme.blob.core.windows.net");
        assert_eq!(parsed.access, Access::Sas(Secret::new("sv=2026-04-06&se=2027-01-01&sig=a%2Bb%3D")));
        assert_eq!(endpoint_of("AccountName=acme;SharedAccessSignature=sv=1&sig=x"), "https://acme.blob.core.windows.net");
    }

    #[test]
    fn the_emulator_has_its_own_account() {
        let parsed = ConnectionString::parse("UseDevelopmentStorage=true").unwrap();
        assert_eq!(parsed.endpoint, "http://127.0.0.1:10000/devstoreaccount1");
        assert!(matches!(parsed.access, Access::Key { account, .. } if account == "devstoreaccount1"));
        let at = |proxy: &str| endpoint_of(&format!("UseDevelopmentStorage=TRUE;DevelopmentStorageProxyUri={proxy}"));
        assert_eq!(at("http://azurite"), "http://azurite:10000/devstoreaccount1");
        assert_eq!(at("http://azurite:12345/"), "http://azurite:12345/devstoreaccount1");
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, named) in [
            ("", "empty"),
            (" ; ;", "empty"),
            ("acme", "part 1 is not of the form Name=value"),
            ("AccountName=acme", "AccountKey is missing"),
            ("AccountKey=bm8=", "AccountName is missing"),
            ("AccountName=;AccountKey=bm8=", "AccountName is empty"),
            ("AccountName=acme;AccountKey=", "AccountKey is empty"),
            ("SharedAccessSignature=sv=1&sig=x", "BlobEndpoint or AccountName is missing"),
            ("AccountName=acme;SharedAccessSignature=sv=1&se=2", "SharedAccessSignature has no field sig"),
            ("AccountName=acme;AccountKey=bm8=;SharedAccessSignature=sig=x", "remove one"),
            ("AccountName=acme;AccountName=acme;AccountKey=bm8=", "AccountName occurs twice"),
            ("AccountName=Acme Corp;AccountKey=bm8=", "AccountName is not a valid name of a storage account"),
            ("AccountName=acme;AccountKey=bm8=;DefaultEndpointsProtocol=ftp", "DefaultEndpointsProtocol can only be"),
            ("AccountName=acme;AccountKey=bm8=;BlobEndpoint=acme.blob.core.windows.net", "BlobEndpoint is not a URL"),
            ("AccountName=acme;AccountKey=bm8=;BlobEndpoint=https://acme.example/?sig=s", "put a signature into SharedAccessSignature"),
            ("AccountName=acme;AccountKey=bm8=;DevelopmentStorageProxyUri=http://x", "requires UseDevelopmentStorage"),
            ("UseDevelopmentStorage=false", "can only be true"),
            ("UseDevelopmentStorage=true;AccountName=acme", "AccountName cannot be combined with UseDevelopmentStorage"),
            ("AccountName=acme;AcountKey=bm8=", "part 2 has an unknown name; the known names are AccountName, AccountKey"),
        ] {
            assert!(fault(text).contains(named), "{text:?}: {}", fault(text));
        }
    }

    #[test]
    fn no_part_of_a_key_is_ever_repeated() {
        for text in [
            "AccountName=acme;AccountKey=SECRET!",
            "AccountName=acme;AccountKey=SECRET;SECRET==",
            "AccountName=acme;SECRETSECRET",
            "\"AccountName=acme;AccountKey=SECRET\"",
            "SECRET=",
            "BlobEndpoint=https://acme.example/?sig=SECRET;SharedAccessSignature=sig=SECRET",
            "BlobEndpoint=SECRET;SharedAccessSignature=sig=SECRET",
            "AccountName=acme;SharedAccessSignature=SECRET",
        ] {
            assert!(!fault(text).contains("SECRET"), "{}", fault(text));
        }
    }
}
