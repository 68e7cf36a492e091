// Write a signed and encrypted mail as a person would, to be sent later; tell in which file it waits.
const [sender, own, recipient, theirs, subject, text, answer] = arguments;
(async () => {
  const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
  const certificates = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
  const keyOf = (base64) => certificates.constructX509FromBase64(base64).dbKey;
  if (!MailServices.accounts.accounts.length) {
    MailServices.accounts.createLocalMailAccount();
  }
  let account = MailServices.accounts.accounts.find((each) => each.defaultIdentity?.email === sender);
  if (!account) {
    account = MailServices.accounts.createAccount();
    account.incomingServer = MailServices.accounts.localFoldersServer;
    const identity = MailServices.accounts.createIdentity();
    identity.email = sender;
    account.addIdentity(identity);
  }
  for (const use of ["signing", "encryption"]) {
    account.defaultIdentity.setUnicharAttribute(`${use}_cert_name`, "chosen");
    account.defaultIdentity.setUnicharAttribute(`${use}_cert_dbkey`, keyOf(own));
  }
  const secure = Cc["@mozilla.org/messengercompose/composesecure;1"].createInstance(Ci.nsIMsgComposeSecure);
  secure.signMessage = true;
  secure.requireEncryptMessage = true;
  secure.cacheValidCertForEmail(recipient, keyOf(theirs));
  const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
  Object.assign(fields, { from: sender, to: recipient, subject, body: text, forcePlainText: true, composeSecure: secure });
  const parameters = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
  Object.assign(parameters, { composeFields: fields, identity: account.defaultIdentity, format: Ci.nsIMsgCompFormat.PlainText });
  const composition = MailServices.compose.initCompose(parameters);
  await composition.sendMsg(Ci.nsIMsgCompDeliverMode.Later, account.defaultIdentity, account.key, null, null);
  answer({ path: MailServices.accounts.localFoldersServer.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Queue).filePath.path });
})().catch((error) => answer({ error: String(error) + (error.stack ?? "") }));
