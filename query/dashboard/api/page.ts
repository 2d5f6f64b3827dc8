import "swagger-ui-dist/swagger-ui.css";
import SwaggerUIBundle from "swagger-ui-dist/swagger-ui-bundle.js";

// Shows the document of the server that the page comes from, and of no other: no address is taken from the page's own.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  queryConfigEnabled: false,
  // It would send the document to a service.
  validatorUrl: null,
});
