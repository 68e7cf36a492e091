import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import org.bouncycastle.asn1.cms.AttributeTable;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.smime.SMIMECapabilitiesAttribute;
import org.bouncycastle.asn1.smime.SMIMECapabilityVector;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.CMSEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.DefaultSignedAttributeTableGenerator;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JceCMSContentEncryptorBuilder;
import org.bouncycastle.cms.jcajce.JceKeyAgreeRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientInfoGenerator;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

/**
 * Signs (detached, with the chain) and encrypts one entity as often as asked: `run N` answers the seconds, `show` one envelope in base64.
 *
 * Words: a folder with signer.key (PKCS#8), signer.crt, chain.crt, recipient.crt (all DER) and the entity. Keys, certificates and
 * generators are made once, as a program would that sends many messages.
 */
public class BouncyCastle {
    private static final String BC = BouncyCastleProvider.PROVIDER_NAME;

    private final byte[] entity;
    private final CMSSignedDataGenerator signed = new CMSSignedDataGenerator();
    private final X509Certificate recipient;
    private final SecureRandom chance = new SecureRandom();
    private KeyPairGenerator ephemeral;

    private BouncyCastle(Path folder) throws Exception {
        entity = Files.readAllBytes(folder.resolve("entity"));
        recipient = certificate(folder.resolve("recipient.crt"));
        X509Certificate signer = certificate(folder.resolve("signer.crt"));
        boolean ec = signer.getPublicKey() instanceof ECPublicKey;
        PrivateKey key = KeyFactory.getInstance(ec ? "EC" : "RSA", BC)
            .generatePrivate(new PKCS8EncodedKeySpec(Files.readAllBytes(folder.resolve("signer.key"))));
        SMIMECapabilityVector capabilities = new SMIMECapabilityVector();
        capabilities.addCapability(NISTObjectIdentifiers.id_aes256_CBC);
        capabilities.addCapability(NISTObjectIdentifiers.id_aes128_CBC);
        ASN1EncodableVector attributes = new ASN1EncodableVector();
        attributes.add(new SMIMECapabilitiesAttribute(capabilities));
        signed.addSignerInfoGenerator(new JcaSimpleSignerInfoGeneratorBuilder().setProvider(BC)
            .setSignedAttributeGenerator(new DefaultSignedAttributeTableGenerator(new AttributeTable(attributes)))
            .build(ec ? "SHA256withECDSA" : "SHA256withRSA", key, signer));
        signed.addCertificates(new JcaCertStore(List.of(signer, certificate(folder.resolve("chain.crt")))));
        if (recipient.getPublicKey() instanceof ECPublicKey point) {
            ephemeral = KeyPairGenerator.getInstance("EC", BC);
            ephemeral.initialize(point.getParams());
        }
    }

    public static void main(String[] words) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        BouncyCastle program = new BouncyCastle(Path.of(words[0]));
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = requests.readLine()) != null; ) {
            String[] request = line.split(" ");
            if (request[0].equals("show")) {
                System.out.println(Base64.getEncoder().encodeToString(program.seal()));
            } else {
                long started = System.nanoTime();
                for (int left = Integer.parseInt(request[1]); left > 0; left--) {
                    program.seal();
                }
                System.out.println((System.nanoTime() - started) / 1e9);
            }
            System.out.flush();
        }
    }

    private byte[] seal() throws Exception {
        byte[] signature = signed.generate(new CMSProcessableByteArray(entity), false).getEncoded();
        CMSEnvelopedDataGenerator enveloped = new CMSEnvelopedDataGenerator();
        if (ephemeral == null) {
            enveloped.addRecipientInfoGenerator(new JceKeyTransRecipientInfoGenerator(recipient).setProvider(BC));
        } else {
            KeyPair pair = ephemeral.generateKeyPair();
            enveloped.addRecipientInfoGenerator(
                new JceKeyAgreeRecipientInfoGenerator(CMSAlgorithm.ECDH_SHA256KDF, pair.getPrivate(), pair.getPublic(), CMSAlgorithm.AES256_WRAP)
                    .addRecipient(recipient).setProvider(BC));
        }
        return enveloped.generate(
            new CMSProcessableByteArray(multipart(signature)),
            new JceCMSContentEncryptorBuilder(CMSAlgorithm.AES256_CBC).setProvider(BC).build()).getEncoded();
    }

    /** By hand, since what is compared is CMS; the library's own MIME would only be slower. */
    private byte[] multipart(byte[] signature) {
        byte[] random = new byte[16];
        chance.nextBytes(random);
        String boundary = "=_" + HexFormat.of().formatHex(random);
        ByteArrayOutputStream out = new ByteArrayOutputStream(entity.length + 2 * signature.length + 512);
        ascii(out, "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n micalg=sha-256; boundary=\"" + boundary + "\"\r\n\r\n");
        ascii(out, "--" + boundary + "\r\n");
        out.writeBytes(entity);
        ascii(out, "\r\n--" + boundary + "\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n"
            + "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n");
        out.writeBytes(Base64.getMimeEncoder().encode(signature));
        ascii(out, "\r\n--" + boundary + "--\r\n");
        return out.toByteArray();
    }

    private static void ascii(ByteArrayOutputStream out, String text) {
        out.writeBytes(text.getBytes(StandardCharsets.US_ASCII));
    }

    private static X509Certificate certificate(Path file) throws Exception {
        return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(Files.readAllBytes(file)));
    }
}
