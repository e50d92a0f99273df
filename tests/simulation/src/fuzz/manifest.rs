use archive::segment::Manifest;

/// A manifest is refused, or equal after it is written again.
pub fn manifest(input: &[u8]) {
    let Ok(manifest) = serde_json::from_slice::<Manifest>(input) else { return };
    let verdict = manifest.check("fuzzed").map_err(|error| error.what);
    let json = serde_json::to_vec(&manifest).expect("a manifest has nothing that JSON cannot hold");
    let again: Manifest = serde_json::from_slice(&json).expect("what was written can be read");
    assert_eq!(again, manifest, "the manifest changed");
    assert_eq!(again.check("fuzzed").map_err(|error| error.what), verdict);
}
