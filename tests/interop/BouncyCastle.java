import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.ECGenParameterSpec;
import java.util.*;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.cms.CMSObjectIdentifiers;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.*;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.OutputAEADEncryptor;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.util.Store;

/** Opens, verifies and writes CMS as asked on standard input: a line of tab-separated words a request, `ok` or `no` and why in answer. */
public class BouncyCastle {
    private static final String BC = BouncyCastleProvider.PROVIDER_NAME;

    public static void main(String[] words) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line; (line = requests.readLine()) != null; ) {
            String answer = "ok";
            try {
                answer(line.split("\t", -1));
            } catch (Exception refusal) {
                answer = "no\t" + String.valueOf(refusal).replaceAll("\\s+", " ");
            }
            System.out.println(answer);
            System.out.flush();
        }
    }

    private static void answer(String[] request) throws Exception {
        Path in = Path.of(request[1]), out = Path.of(request[2]);
        switch (request[0]) {
            case "open" -> Files.write(out, open(Files.readAllBytes(in), key(request[3]), certificate(request[4])));
            case "verify" -> Files.write(out, verify(Files.readAllBytes(in), request[3], certificate(request[4])));
            case "sign" -> Files.write(out, sign(Files.readAllBytes(in), key(request[3]), certificate(request[4]), certificate(request[5]), request[6]));
            case "encrypt" -> Files.write(out, encrypt(Files.readAllBytes(in), certificate(request[3]), request[4]));
            default -> throw new IllegalArgumentException(request[0]);
        }
    }

    private static X509Certificate certificate(String file) throws Exception {
        try (InputStream in = new FileInputStream(file)) {
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
    }

    private static PrivateKey key(String file) throws Exception {
        try (PEMParser parser = new PEMParser(new FileReader(file))) {
            return new JcaPEMKeyConverter().setProvider(BC).getPrivateKey((PrivateKeyInfo) parser.readObject());
        }
    }

    private static boolean isRsa(Key key) {
        return key.getAlgorithm().equals("RSA");
    }

    private static byte[] open(byte[] envelope, PrivateKey key, X509Certificate certificate) throws Exception {
        ContentInfo info = ContentInfo.getInstance(ASN1Primitive.fromByteArray(envelope));
        boolean authenticates = info.getContentType().equals(CMSObjectIdentifiers.authEnvelopedData);
        RecipientInformationStore all = authenticates ? new CMSAuthEnvelopedData(info).getRecipientInfos() : new CMSEnvelopedData(info).getRecipientInfos();
        RecipientId id = isRsa(key) ? new JceKeyTransRecipientId(certificate) : new JceKeyAgreeRecipientId(certificate);
        for (RecipientInformation ours : all.getRecipients(id)) {
            return ours.getContent(recipient(key, authenticates));
        }
        throw new CMSException("no such recipient");
    }

    private static Recipient recipient(PrivateKey key, boolean authenticates) {
        if (!isRsa(key)) {
            return new JceKeyAgreeEnvelopedRecipient(key).setProvider(BC);
        }
        return authenticates ? new JceKeyTransAuthEnvelopedRecipient(key).setProvider(BC) : new JceKeyTransEnvelopedRecipient(key).setProvider(BC);
    }

    private static byte[] verify(byte[] signature, String contentFile, X509Certificate root) throws Exception {
        CMSSignedData signed = contentFile.isEmpty()
            ? new CMSSignedData(signature)
            : new CMSSignedData(new CMSProcessableByteArray(Files.readAllBytes(Path.of(contentFile))), signature);
        Store<X509CertificateHolder> sent = signed.getCertificates();
        JcaX509CertificateConverter converter = new JcaX509CertificateConverter().setProvider(BC);
        List<X509Certificate> certificates = new ArrayList<>();
        for (X509CertificateHolder each : sent.getMatches(null)) {
            certificates.add(converter.getCertificate(each));
        }
        Collection<SignerInformation> signers = signed.getSignerInfos().getSigners();
        if (signers.isEmpty()) {
            throw new CMSException("nobody signed");
        }
        for (SignerInformation signer : signers) {
            Collection<?> matches = sent.getMatches(signer.getSID());
            if (matches.isEmpty()) {
                throw new CMSException("the signer's certificate is not in the message");
            }
            X509CertificateHolder leaf = (X509CertificateHolder) matches.iterator().next();
            if (!signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider(BC).build(leaf))) {
                throw new CMSException("the signature is bad");
            }
            X509CertSelector selector = new X509CertSelector();
            selector.setCertificate(converter.getCertificate(leaf));
            PKIXBuilderParameters path = new PKIXBuilderParameters(Set.of(new TrustAnchor(root, null)), selector);
            path.setRevocationEnabled(false);
            path.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(certificates)));
            CertPathBuilder.getInstance("PKIX", BC).build(path);
        }
        return (byte[]) signed.getSignedContent().getContent();
    }

    private static byte[] sign(byte[] content, PrivateKey key, X509Certificate leaf, X509Certificate issuer, String form) throws Exception {
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        String algorithm = isRsa(key) ? "SHA256withRSA" : "SHA256withECDSA";
        generator.addSignerInfoGenerator(
            new JcaSignerInfoGeneratorBuilder(new JcaDigestCalculatorProviderBuilder().setProvider(BC).build())
                .build(new JcaContentSignerBuilder(algorithm).setProvider(BC).build(key), leaf));
        generator.addCertificate(new JcaX509CertificateHolder(leaf));
        generator.addCertificate(new JcaX509CertificateHolder(issuer));
        return generator.generate(new CMSProcessableByteArray(content), form.equals("opaque")).getEncoded();
    }

    private static byte[] encrypt(byte[] content, X509Certificate certificate, String form) throws Exception {
        CMSProcessableByteArray typed = new CMSProcessableByteArray(content);
        if (form.equals("gcm")) {
            CMSAuthEnvelopedDataGenerator generator = new CMSAuthEnvelopedDataGenerator();
            generator.addRecipientInfoGenerator(recipientOf(certificate));
            OutputAEADEncryptor encryptor =
                (OutputAEADEncryptor) new JceCMSContentEncryptorBuilder(CMSAlgorithm.AES256_GCM).setProvider(BC).build();
            return generator.generate(typed, encryptor).getEncoded();
        }
        if (form.equals("stream")) {
            // Indefinite lengths around pieces.
            CMSEnvelopedDataStreamGenerator generator = new CMSEnvelopedDataStreamGenerator();
            generator.setBufferSize(1000);
            generator.addRecipientInfoGenerator(recipientOf(certificate));
            ByteArrayOutputStream written = new ByteArrayOutputStream();
            try (OutputStream out = generator.open(written, new JceCMSContentEncryptorBuilder(CMSAlgorithm.DES_EDE3_CBC).setProvider(BC).build())) {
                out.write(content);
            }
            return written.toByteArray();
        }
        CMSEnvelopedDataGenerator generator = new CMSEnvelopedDataGenerator();
        generator.addRecipientInfoGenerator(recipientOf(certificate));
        return generator.generate(typed, new JceCMSContentEncryptorBuilder(CMSAlgorithm.AES256_CBC).setProvider(BC).build()).getEncoded();
    }

    private static RecipientInfoGenerator recipientOf(X509Certificate certificate) throws Exception {
        if (isRsa(certificate.getPublicKey())) {
            return new JceKeyTransRecipientInfoGenerator(certificate).setProvider(BC);
        }
        int bits = ((java.security.interfaces.ECPublicKey) certificate.getPublicKey()).getParams().getCurve().getField().getFieldSize();
        KeyPairGenerator keys = KeyPairGenerator.getInstance("EC", BC);
        keys.initialize(new ECGenParameterSpec("P-" + bits));
        KeyPair ephemeral = keys.generateKeyPair();
        return new JceKeyAgreeRecipientInfoGenerator(CMSAlgorithm.ECDH_SHA256KDF, ephemeral.getPrivate(), ephemeral.getPublic(), CMSAlgorithm.AES256_WRAP)
            .addRecipient(certificate)
            .setProvider(BC);
    }
}
