// Certificates and keys made for tests: valid for 100 years, known to everybody, good for nothing
// else.

enum Fixtures {
    /// By the file name that configurations in tests use.
    static let files: [String: String] = [
        "ca.pem": caChain,
        "wide.pem": wideChain,
        "wide.key": wideKey,
        "www.pem": wwwChain,
        "www.key": wwwKey,
        "other.pem": otherChain,
        "other.key": otherKey,
        "junk.pem": "no certificate",
    ]

    private static let caChain = """
        -----BEGIN CERTIFICATE-----
        MIIBijCCAS+gAwIBAgIUKQTP9dRRnvqAFj4FAuE71P2lRuYwCgYIKoZIzj0EAwIw
        GTEXMBUGA1UEAwwOVGVzdCBBdXRob3JpdHkwIBcNMjYxMTIyMTcwODMzWhgPMjEy
        NjEwMjkxNzA4MzNaMBkxFzAVBgNVBAMMDlRlc3QgQXV0aG9yaXR5MFkwEwYHKoZI
        zj0CAQYIKoZIzj0DAQcDQgAEjKGXsLUYAAoPaWHMsSyEuaJraba3w6Zl8Qcosvpb
        HmNo0SHRL93e0ijmMh/7A3mG0ot3xuh6KCI1OsvJkKb0RaNTMFEwHQYDVR0OBBYE
        FJ8XnO1/7BHY+yztPyv/xVuEWKdjMB8GA1UdIwQYMBaAFJ8XnO1/7BHY+yztPyv/
        xVuEWKdjMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAKJ2Fa6s
        XUAw2REQ9HaB+vWO6Z4VImZbmy5UVUQgD8rDAiEAudrKjvZlTP67znCMm4D5I9Qc
        2dl/rGSgRA3puREpNSM=
        -----END CERTIFICATE-----
        """

    private static let wideChain = """
        -----BEGIN CERTIFICATE-----
        MIIBoDCCAUWgAwIBAgIUcdlPKv1wIfiRk5sR15kGytT8E7cwCgYIKoZIzj0EAwIw
        GTEXMBUGA1UEAwwOVGVzdCBBdXRob3JpdHkwIBcNMjYxMTIyMTcwODMzWhgPMjEy
        NjEwMjkxNzA4MzNaMA8xDTALBgNVBAMMBHdpZGUwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAAT5KiI3iAtR6V8w5LCEDYDDP89Dl+aIX3TdrTmXA/a5UJsPW+bsZBw6
        Lk5G/VepVU37/aoqNSADccolYjDEahuOo3MwcTAvBgNVHREEKDAmghBhY21lLmV4
        YW1wbGUuY29tghIqLmFjbWUuZXhhbXBsZS5jb20wHQYDVR0OBBYEFLrDIc3iOTqv
        3KW86MP6zmo/dnQaMB8GA1UdIwQYMBaAFJ8XnO1/7BHY+yztPyv/xVuEWKdjMAoG
        CCqGSM49BAMCA0kAMEYCIQD+qp9lGUHF9QiFRqsuRTjrdVAQn/SiJkHiqcSoVEMo
        mwIhAKaVVS2B0VebG0ELVmMhnAHnDa6YD8QUcTuRUW4K53HH
        -----END CERTIFICATE-----
        """

    private static let wideKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgb7W9czjSlngOepUh
        Zar/P/yCBSV6VJ8SxPAExmfcohqhRANCAAT5KiI3iAtR6V8w5LCEDYDDP89Dl+aI
        X3TdrTmXA/a5UJsPW+bsZBw6Lk5G/VepVU37/aoqNSADccolYjDEahuO
        -----END PRIVATE KEY-----
        """

    private static let wwwChain = """
        -----BEGIN CERTIFICATE-----
        MIIBjjCCATSgAwIBAgIUcdlPKv1wIfiRk5sR15kGytT8E7gwCgYIKoZIzj0EAwIw
        GTEXMBUGA1UEAwwOVGVzdCBBdXRob3JpdHkwIBcNMjYxMTIyMTcwODM0WhgPMjEy
        NjEwMjkxNzA4MzRaMA4xDDAKBgNVBAMMA3d3dzBZMBMGByqGSM49AgEGCCqGSM49
        AwEHA0IABGfkKIl/OB8r/ePzpGMDK865k6Ryh1PbeI/BsHVwBD6bznEdFLQxeB43
        VaLhmmY6QjFNxqRNgx7pp/uKSt4TVb6jYzBhMB8GA1UdEQQYMBaCFHd3dy5hY21l
        LmV4YW1wbGUuY29tMB0GA1UdDgQWBBS2Rl1jfLIuk/sE72xk7A15RqK4yjAfBgNV
        HSMEGDAWgBSfF5ztf+wR2Pss7T8r/8VbhFinYzAKBggqhkjOPQQDAgNIADBFAiEA
        yhI58iaXyBUMHeH0o5LqSS5D92KWI+DNKcSgy+v2VI8CIGcpQthMF1NylPVigf3y
        AA+fvj03rKJu/5Xx9RfjSZbp
        -----END CERTIFICATE-----
        """

    private static let wwwKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgou0JzHL9iJXVcGHK
        Inm9HhMhJCyPw4U6WyXFBLHs4uShRANCAARn5CiJfzgfK/3j86RjAyvOuZOkcodT
        23iPwbB1cAQ+m85xHRS0MXgeN1Wi4ZpmOkIxTcakTYMe6af7ikreE1W+
        -----END PRIVATE KEY-----
        """

    private static let otherChain = """
        -----BEGIN CERTIFICATE-----
        MIIBjTCCATOgAwIBAgIUcdlPKv1wIfiRk5sR15kGytT8E7kwCgYIKoZIzj0EAwIw
        GTEXMBUGA1UEAwwOVGVzdCBBdXRob3JpdHkwIBcNMjYxMTIyMTcwODM0WhgPMjEy
        NjEwMjkxNzA4MzRaMBAxDjAMBgNVBAMMBW90aGVyMFkwEwYHKoZIzj0CAQYIKoZI
        zj0DAQcDQgAECw8Hn7ok1qIj8U974N6XnLu2W2Bax25Vy/i4+QquHbuXlD+0Gu0j
        8m50PRvlYtlZY6YqUtUT4YiegXklCRhraaNgMF4wHAYDVR0RBBUwE4IRb3RoZXIu
        ZXhhbXBsZS5jb20wHQYDVR0OBBYEFODVtFLjKHcw/X7+BUzfJFDNL8UbMB8GA1Ud
        IwQYMBaAFJ8XnO1/7BHY+yztPyv/xVuEWKdjMAoGCCqGSM49BAMCA0gAMEUCIQD+
        OtgVAsItcZEUzqMSF9dwtuY7bijg9z/TbLPIRk5GSAIgKxu+oAov/8GP7DylDrSw
        WdWpjlq4SgZYdmoqyUqdzm0=
        -----END CERTIFICATE-----
        """

    private static let otherKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9BL9pyXHkqiVFAPC
        7yHPytHmn1rIbH7vfbEvw7QI5wqhRANCAAQLDwefuiTWoiPxT3vg3pecu7ZbYFrH
        blXL+Lj5Cq4du5eUP7Qa7SPybnQ9G+Vi2VljpipS1RPhiJ6BeSUJGGtp
        -----END PRIVATE KEY-----
        """
}
